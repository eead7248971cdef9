{{- define "dev-servers.labels" -}}
app.kubernetes.io/name: {{ .name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: dev-server
{{- end }}

{{/* A value that a Secret holds already, else a new one: {root, secret, key, new}. */}}
{{- define "dev-servers.kept" -}}
{{- $found := lookup "v1" "Secret" .root.Release.Namespace .secret }}
{{- $kept := get (($found).data | default dict) .key }}
{{- $kept | default (b64enc .new) }}
{{- end }}

{{- define "dev-servers.container" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{/* The pod of a server, but for its containers and volumes: {uid}. */}}
{{- define "dev-servers.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
terminationGracePeriodSeconds: 20
securityContext:
  runAsNonRoot: true
  runAsUser: {{ .uid }}
  runAsGroup: {{ .uid }}
  fsGroup: {{ .uid }}
  seccompProfile: {type: RuntimeDefault}
{{- end }}
