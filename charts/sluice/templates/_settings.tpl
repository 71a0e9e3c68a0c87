{{/* sluice.yaml of the pods. */}}
{{- define "sluice.settings" -}}
{{- $spec := deepCopy .Values.mta.settings -}}
{{- $listen := include "sluice.listen" . -}}
{{- $listeners := list -}}
{{- range .Values.smtp.listeners -}}
{{- $listener := dict "name" .name "address" (printf "%s:%d" $listen (int .port)) -}}
{{- $given := . -}}
{{- range $field := list "hostname" "proxyProtocol" "limits" "bareLineEnding" "dsn" "headers" "relayNetworks" -}}
{{- if hasKey $given $field -}}{{- $_ := set $listener $field (get $given $field) -}}{{- end -}}
{{- end -}}
{{- with .tls -}}
{{- $directory := printf "/etc/sluice/tls/%s" $given.name -}}
{{- $_ := set $listener "tls" (dict "mode" (.mode | default "StartTls") "certificateFile" (printf "%s/tls.crt" $directory) "keyFile" (printf "%s/tls.key" $directory)) -}}
{{- end -}}
{{- with .auth -}}
{{- $_ := set $listener "auth" (dict "requireTls" (.requireTls | default "Enabled") "usersFile" (printf "/etc/sluice/users/%s/%s" $given.name (.key | default "users.yaml"))) -}}
{{- end -}}
{{- if and (include "sluice.trial" $) (not .auth) (not .relayNetworks) -}}
{{- $_ := set $listener "relayNetworks" (list "10.0.0.0/8" "172.16.0.0/12" "192.168.0.0/16" "100.64.0.0/10" "fc00::/7") -}}
{{- end -}}
{{- $listeners = append $listeners $listener -}}
{{- end -}}
{{- $_ := set $spec "listeners" (dict "smtp" $listeners "admin" (dict "address" "127.0.0.1:9025") "probes" (dict "address" (printf "%s:9024" $listen))) -}}
{{- $_ := set $spec "spool" (dict "type" "JetStream" "jetstream" (include "sluice.jetstream" . | fromYaml)) -}}
{{- $configMaps := dict "release" (include "sluice.followedName" .) -}}
{{- if gt (int .Values.mta.mountedShards) 0 -}}
{{- $_ := set $configMaps "mountDirectory" "/etc/sluice/egress" -}}
{{- end -}}
{{- $_ := set $spec "resources" (dict "configMaps" $configMaps) -}}
{{- $_ := set $spec "drainTimeout" (printf "%ds" (int .Values.mta.drainSeconds)) -}}
{{- if include "sluice.trial" . -}}
{{- $_ := set $spec "routes" (list (dict "domain" "*" "hosts" (list (dict "host" "127.0.0.1" "port" 2626)) "tls" (dict "level" "Disabled"))) -}}
{{- end -}}
{{- toYaml (dict "apiVersion" "sluice.email/v1alpha1" "kind" "MtaConfig" "spec" $spec) -}}
{{- end -}}
