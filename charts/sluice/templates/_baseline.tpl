{{/*
Resources that the operator is given, file name: text; empty = none. In trial mode a pool for all mail that no other takes. It binds to loopback, where the sink is: while pods and
operator change one after the other at the end of the trial, no mail can leave by it.
*/}}
{{- define "sluice.baseline" -}}
{{- $files := deepCopy .Values.operator.baseline -}}
{{- if and (include "sluice.trial" .) (eq .Values.operator.scope "Namespace") -}}
{{- $_ := set $files "zz-trial.yaml" (include "sluice.trialPool" .) -}}
{{- end -}}
{{- if $files -}}
{{- toYaml $files -}}
{{- end -}}
{{- end -}}

{{- define "sluice.trialPool" -}}
apiVersion: sluice.email/v1alpha1
kind: EgressPool
metadata:
  name: sluice-trial
spec:
  match:
  - name: everything-else
    priority: -1000000000
  sources:
  - name: loopback
    address: 127.0.0.1
    ehlo: trial.invalid
    egress:
      type: Bind
      bind:
        address: 127.0.0.1
{{ end -}}

{{/* Address that pods listen on, as host:port wants it. */}}
{{- define "sluice.listen" -}}
{{- if eq .Values.listenAddress "::" -}}[::]{{- else -}}{{- .Values.listenAddress -}}{{- end -}}
{{- end -}}
