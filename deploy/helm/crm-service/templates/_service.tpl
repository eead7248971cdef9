{{/* {root, headless}. Callers balance over the addresses of the headless one. */}}
{{- define "crm-service.service" -}}
{{- $ := .root }}
apiVersion: v1
kind: Service
metadata:
  name: {{ include "crm-service.name" $ }}{{ if .headless }}-headless{{ end }}
  labels:
    {{- include "crm-service.labels" (dict "root" $ "process" "serve") | nindent 4 }}
    {{- if .headless }}
    crm.guanxi/headless: "true"
    {{- end }}
  {{- with and (not .headless) $.Values.service.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- if .headless }}
  clusterIP: None
  {{- else }}
  type: {{ $.Values.service.type }}
  {{- end }}
  selector:
    {{- include "crm-service.selector" (dict "root" $ "process" "serve") | nindent 4 }}
  ports:
    {{- if eq $.Chart.Name "gateway" }}
    - {name: http, port: {{ $.Values.service.port }}, targetPort: http, protocol: TCP}
    {{- else }}
    - {name: grpc, port: {{ ternary 5051 $.Values.service.port (default false .headless) }}, targetPort: grpc, protocol: TCP}
    {{- end }}
{{- end }}
