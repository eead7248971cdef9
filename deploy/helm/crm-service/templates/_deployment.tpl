{{/* {root, process} */}}
{{- define "crm-service.deployment" -}}
{{- $ := .root }}
{{- $of := index $.Values .process }}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "crm-service.processName" . }}
  labels:
    {{- include "crm-service.labels" . | nindent 4 }}
spec:
  {{- if not $of.autoscaling.enabled }}
  replicas: {{ $of.replicas }}
  {{- end }}
  revisionHistoryLimit: 3
  strategy:
    type: RollingUpdate
    rollingUpdate: {maxSurge: 1, maxUnavailable: 0}
  selector:
    matchLabels:
      {{- include "crm-service.selector" . | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "crm-service.podLabels" . | nindent 8 }}
        crm.guanxi/monitored: "true"
      annotations:
        # Changed settings roll the pods.
        checksum/settings: {{ include "crm-service.settings" $ | sha256sum }}
        {{- with $of.podAnnotations }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    spec:
      {{- include "crm-service.pod" . | trim | nindent 6 }}
{{- end }}

{{/* The serving process bears the name of the part. */}}
{{- define "crm-service.processName" -}}
{{ include "crm-service.name" .root }}{{ if ne .process "serve" }}-{{ .process }}{{ end }}
{{- end }}

{{- define "crm-service.serviceAccountResource" -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ include "crm-service.serviceAccount" . }}
  labels:
    {{- include "crm-service.labels" (dict "root" .) | nindent 4 }}
  {{- with .Values.serviceAccount.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
automountServiceAccountToken: false
{{- end }}
