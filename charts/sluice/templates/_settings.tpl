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

{{/* spec.spool.jetstream */}}
{{- define "sluice.jetstream" -}}
{{- $nats := .Values.nats -}}
{{- if $nats.servers }}
servers: {{ toJson $nats.servers }}
durability: {{ $nats.durability }}
{{- with $nats.credentials }}
{{- if ne .type "None" }}
credentials:
  {{- $directory := "/etc/sluice/nats/credentials" }}
  {{- if eq .type "Password" }}
  user: {{ .user | quote }}
  passwordFile: {{ $directory }}/{{ .key | default "password" }}
  {{- else if eq .type "Token" }}
  tokenFile: {{ $directory }}/{{ .key | default "token" }}
  {{- else if eq .type "NKey" }}
  nkeySeedFile: {{ $directory }}/{{ .key | default "seed" }}
  {{- else }}
  credsFile: {{ $directory }}/{{ .key | default "user.creds" }}
  {{- end }}
{{- end }}
{{- end }}
{{- if $nats.tls.secretName }}
tls:
  caFile: /etc/sluice/nats/tls/ca.crt
  {{- if $nats.tls.clientCertificate }}
  certificateFile: /etc/sluice/nats/tls/tls.crt
  keyFile: /etc/sluice/nats/tls/tls.key
  {{- end }}
{{- end }}
{{- else }}
servers: ["nats://{{ include "sluice.fullname" . }}-nats.{{ .Release.Namespace }}.svc.{{ .Values.clusterDomain }}:4222"]
durability: Single
{{- end }}
prefix: {{ $nats.prefix }}
maxBytes: {{ $nats.maxBytes }}
maxDeferredBytes: {{ $nats.maxDeferredBytes }}
journalBytes: {{ $nats.journalBytes }}
spoolStreams: {{ int $nats.spoolStreams }}
streams: {{ $nats.streams }}
{{- end -}}
