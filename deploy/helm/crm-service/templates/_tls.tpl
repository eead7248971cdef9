{{/* The Secret with tls.crt, tls.key and ca.crt: named, or made by cert-manager. */}}
{{- define "crm-service.tlsSecret" -}}
{{- $tls := .Values.tls }}
{{- if not (or $tls.secretName $tls.certManager.enabled) }}
{{- fail (printf "%s: tls.enabled needs tls.secretName, a Secret with tls.crt, tls.key and ca.crt, or tls.certManager.enabled" .Chart.Name) }}
{{- end }}
{{- $tls.secretName | default (printf "%s-tls" (include "crm-service.name" .)) }}
{{- end }}

{{- define "crm-service.certificate" -}}
{{- $name := include "crm-service.name" . }}
{{- $manager := .Values.tls.certManager }}
apiVersion: cert-manager.io/v1
kind: Certificate
metadata:
  name: {{ $name }}
  labels:
    {{- include "crm-service.labels" (dict "root" .) | nindent 4 }}
spec:
  secretName: {{ include "crm-service.tlsSecret" . }}
  duration: {{ $manager.duration }}
  renewBefore: {{ $manager.renewBefore }}
  privateKey: {algorithm: ECDSA, size: 256, rotationPolicy: Always}
  usages: [server auth, client auth]
  issuerRef:
    name: {{ required (printf "%s: name tls.certManager.issuer.name" .Chart.Name) $manager.issuer.name }}
    kind: {{ $manager.issuer.kind }}
    group: {{ $manager.issuer.group }}
  dnsNames:
    {{- range $host := list $name (printf "%s-headless" $name) }}
    - {{ $host }}
    - {{ $host }}.{{ $.Release.Namespace }}
    - {{ $host }}.{{ $.Release.Namespace }}.svc
    - {{ $host }}.{{ $.Release.Namespace }}.svc.cluster.local
    {{- end }}
{{- end }}
