{{/* First part of all names, at most 40 characters: what is added must still be a name. */}}
{{- define "sluice.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if contains "sluice" .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-sluice" (.Release.Name | trunc 33 | trimSuffix "-") -}}
{{- end -}}
{{- end -}}

{{/* `--name` of the operator: begins its ConfigMaps and its Lease. */}}
{{- define "sluice.configName" -}}
{{- .Values.operator.name | default (include "sluice.fullname" .) -}}
{{- end -}}

{{/* Whose ConfigMaps the pods follow. */}}
{{- define "sluice.followedName" -}}
{{- .Values.mta.configName | default (include "sluice.configName" .) -}}
{{- end -}}

{{/* dict root, component */}}
{{- define "sluice.selector" -}}
app.kubernetes.io/name: sluice
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* dict root, component */}}
{{- define "sluice.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{ include "sluice.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{- end -}}

{{/* dict image, tag */}}
{{- define "sluice.image" -}}
{{- if .image.digest -}}
{{- printf "%s@%s" .image.repository .image.digest -}}
{{- else -}}
{{- printf "%s:%s" .image.repository (.image.tag | default .tag) -}}
{{- end -}}
{{- end -}}

{{/* Restricted Pod Security Standard, of the pod. */}}
{{- define "sluice.podSecurity" -}}
runAsNonRoot: true
{{- with .Values.podSecurity.runAsUser }}
{{- if ne (toString .) "Assigned" }}
runAsUser: {{ int . }}
runAsGroup: {{ int . }}
fsGroup: {{ int . }}
fsGroupChangePolicy: OnRootMismatch
{{- end }}
{{- end }}
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{/* And of each container. */}}
{{- define "sluice.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* The token of the service account, mounted explicitly. */}}
{{- define "sluice.apiVolume" -}}
name: api-access
projected:
  defaultMode: 292
  sources:
  - serviceAccountToken:
      path: token
      expirationSeconds: 3607
  - configMap:
      name: kube-root-ca.crt
      items:
      - {key: ca.crt, path: ca.crt}
  - downwardAPI:
      items:
      - path: namespace
        fieldRef: {apiVersion: v1, fieldPath: metadata.namespace}
{{- end -}}

{{- define "sluice.apiMount" -}}
name: api-access
mountPath: /var/run/secrets/kubernetes.io/serviceaccount
readOnly: true
{{- end -}}

{{/* dict root, component, pod: where pods run. */}}
{{- define "sluice.placement" -}}
{{- with .pod.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .pod.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .pod.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .pod.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end -}}

{{/* dict root, component, pod: how replicas spread. */}}
{{- define "sluice.spread" -}}
{{- if hasKey .pod "topologySpreadConstraints" }}
{{- with .pod.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- else }}
topologySpreadConstraints:
{{- range $key := list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
- maxSkew: 1
  topologyKey: {{ $key }}
  whenUnsatisfiable: ScheduleAnyway
  matchLabelKeys: [pod-template-hash]
  labelSelector:
    matchLabels:
      {{- include "sluice.selector" $ | nindent 6 }}
{{- end }}
{{- end }}
{{- end -}}

{{/* dict root, component, pod: labels of pods. Not the version of the chart, with which all pods would be replaced for nothing. */}}
{{- define "sluice.podLabels" -}}
{{ include "sluice.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
{{- with .pod.podLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* dict root, component, account: name of a service account. */}}
{{- define "sluice.serviceAccount" -}}
{{- if .account.create -}}
{{- .account.name | default (printf "%s-%s" (include "sluice.fullname" .root) .component) -}}
{{- else -}}
{{- .account.name | default "default" -}}
{{- end -}}
{{- end -}}

{{/* Whether the chart runs a NATS server of its own: "true" or "". */}}
{{- define "sluice.ownNats" -}}
{{- if and .Values.mta.enabled (not .Values.nats.servers) -}}true{{- end -}}
{{- end -}}

{{/* Whether pods have a sink beside them that takes all mail: "true" or "". */}}
{{- define "sluice.trial" -}}
{{- if and .Values.trial.enabled .Values.mta.enabled -}}true{{- end -}}
{{- end -}}

{{/* What values together may not say; Helm's schema sees each alone. */}}
{{- define "sluice.check" -}}
{{- if and .Values.mta.enabled (not .Values.trial.enabled) (not .Values.nats.servers) (eq .Values.nats.server.storage.type "EmptyDir") -}}
{{- fail "nats.servers: with trial.enabled=false mail must outlive a pod. Name your NATS cluster, or set nats.server.storage.type=PersistentVolumeClaim for one server with one copy of the mail." -}}
{{- end -}}
{{- if and .Values.mta.enabled (not .Values.operator.enabled) (not .Values.mta.configName) -}}
{{- fail "mta.configName: without an operator in this release the pods must know whose ConfigMaps they follow: operator.name (or the full name) of the release with the operator." -}}
{{- end -}}
{{- if and (ne .Values.nats.credentials.type "None") (not .Values.nats.credentials.secretName) -}}
{{- fail (printf "nats.credentials.secretName: credentials of type %s are in a Secret; name it." .Values.nats.credentials.type) -}}
{{- end -}}
{{- if and (eq .Values.nats.credentials.type "Password") (not .Values.nats.credentials.user) -}}
{{- fail "nats.credentials.user: credentials of type Password need a user." -}}
{{- end -}}
{{- if and .Values.nats.tls.clientCertificate (not .Values.nats.tls.secretName) -}}
{{- fail "nats.tls.secretName: a client certificate is in a Secret; name it." -}}
{{- end -}}
{{- $names := dict -}}
{{- range .Values.smtp.listeners -}}
{{- if hasKey $names .name -}}{{- fail (printf "smtp.listeners: two are named %s." .name) -}}{{- end -}}
{{- $_ := set $names .name true -}}
{{- if or (hasKey $names (toString (int .port))) (has (int .port) (list 8081 9024 9025 2626)) -}}{{- fail (printf "smtp.listeners: port %d of listener %s is taken already." (int .port) .name) -}}{{- end -}}
{{- $_ := set $names (toString (int .port)) true -}}
{{- end -}}
{{- end -}}

{{/*
Mode of mounted Secrets: 0440, the group being `fsGroup`; 0444 where the cluster chooses users. Modes are decimal (292 = 0444, 288 = 0440), as YAML 1.1 and 1.2 do not agree on 0444.
*/}}
{{- define "sluice.secretMode" -}}
{{- if eq (toString .Values.podSecurity.runAsUser) "Assigned" -}}292{{- else -}}288{{- end -}}
{{- end -}}
