{{/* Where NATS is; the pods keep mail there, the operator hears there what they run. A list in YAML; empty = nowhere. */}}
{{- define "sluice.natsServers" -}}
{{- if .Values.nats.servers -}}
{{- toYaml .Values.nats.servers -}}
{{- else if include "sluice.ownNats" . -}}
- nats://{{ include "sluice.fullname" . }}-nats.{{ .Release.Namespace }}.svc.{{ .Values.clusterDomain }}:4222
{{- end -}}
{{- end -}}

{{/* File of the credentials. */}}
{{- define "sluice.natsCredentials" -}}
{{- $keys := dict "Password" "password" "Token" "token" "NKey" "seed" "Creds" "user.creds" -}}
{{- with .Values.nats.credentials -}}
/etc/sluice/nats/credentials/{{ .key | default (get $keys .type) }}
{{- end -}}
{{- end -}}

{{/* spec.spool.jetstream of sluice.yaml. */}}
{{- define "sluice.jetstream" -}}
{{- $nats := .Values.nats -}}
servers:
{{ include "sluice.natsServers" . }}
durability: {{ ternary $nats.durability "Single" (not (empty $nats.servers)) }}
{{- if $nats.servers }}
{{- with $nats.credentials }}
{{- if ne .type "None" }}
credentials:
  {{- $file := include "sluice.natsCredentials" $ }}
  {{- if eq .type "Password" }}
  user: {{ .user | quote }}
  passwordFile: {{ $file }}
  {{- else if eq .type "Token" }}
  tokenFile: {{ $file }}
  {{- else if eq .type "NKey" }}
  nkeySeedFile: {{ $file }}
  {{- else }}
  credsFile: {{ $file }}
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
{{- end }}
prefix: {{ $nats.prefix }}
maxBytes: {{ $nats.maxBytes }}
maxDeferredBytes: {{ $nats.maxDeferredBytes }}
journalBytes: {{ $nats.journalBytes }}
spoolStreams: {{ int $nats.spoolStreams }}
streams: {{ $nats.streams }}
{{- end -}}

{{/* The same for the command line of the operator. */}}
{{- define "sluice.natsArgs" -}}
{{- with include "sluice.natsServers" . -}}
- --nats
{{ . }}
- --nats-prefix={{ $.Values.nats.prefix }}
{{- if $.Values.nats.servers }}
{{- with $.Values.nats.credentials }}
{{- $file := include "sluice.natsCredentials" $ }}
{{- if eq .type "Password" }}
- --nats-user={{ .user }}
- --nats-password-file={{ $file }}
{{- else if eq .type "Token" }}
- --nats-token-file={{ $file }}
{{- else if eq .type "NKey" }}
- --nats-nkey-seed={{ $file }}
{{- else if eq .type "Creds" }}
- --nats-creds={{ $file }}
{{- end }}
{{- end }}
{{- if $.Values.nats.tls.secretName }}
- --nats-ca=/etc/sluice/nats/tls/ca.crt
{{- if $.Values.nats.tls.clientCertificate }}
- --nats-certificate=/etc/sluice/nats/tls/tls.crt
- --nats-key=/etc/sluice/nats/tls/tls.key
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "sluice.natsMounts" -}}
{{- if .Values.nats.servers -}}
{{- if ne .Values.nats.credentials.type "None" }}
- {name: nats-credentials, mountPath: /etc/sluice/nats/credentials, readOnly: true}
{{- end }}
{{- if .Values.nats.tls.secretName }}
- {name: nats-tls, mountPath: /etc/sluice/nats/tls, readOnly: true}
{{- end }}
{{- end }}
{{- end -}}

{{- define "sluice.natsVolumes" -}}
{{- if .Values.nats.servers -}}
{{- if ne .Values.nats.credentials.type "None" }}
- name: nats-credentials
  secret: {secretName: {{ .Values.nats.credentials.secretName }}, defaultMode: {{ include "sluice.secretMode" . }}}
{{- end }}
{{- if .Values.nats.tls.secretName }}
- name: nats-tls
  secret: {secretName: {{ .Values.nats.tls.secretName }}, defaultMode: {{ include "sluice.secretMode" . }}}
{{- end }}
{{- end }}
{{- end -}}
