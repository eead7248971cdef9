{{/* Where all processes of a part are scraped. Their pods share a Service of its own, which nobody else calls. */}}
{{- define "crm-service.monitorService" -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ include "crm-service.name" . }}-monitor
  labels:
    {{- include "crm-service.labels" (dict "root" . "process" "monitor") | nindent 4 }}
spec:
  clusterIP: None
  # Also what is not ready is looked at.
  publishNotReadyAddresses: true
  selector:
    app.kubernetes.io/name: {{ include "crm-service.name" . }}
    app.kubernetes.io/instance: {{ .Release.Name }}
    crm.guanxi/monitored: "true"
  ports:
    - {name: monitor, port: 9090, targetPort: monitor, protocol: TCP}
{{- end }}

{{- define "crm-service.serviceMonitor" -}}
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata:
  name: {{ include "crm-service.name" . }}
  labels:
    {{- include "crm-service.labels" (dict "root" .) | nindent 4 }}
    {{- with .Values.monitoring.serviceMonitor.labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  jobLabel: app.kubernetes.io/name
  selector:
    matchLabels:
      {{- include "crm-service.selector" (dict "root" . "process" "monitor") | nindent 6 }}
  endpoints:
    - port: monitor
      path: /metrics
      interval: {{ .Values.monitoring.serviceMonitor.interval }}
      relabelings:
        - {sourceLabels: [__meta_kubernetes_pod_label_app_kubernetes_io_component], targetLabel: process}
{{- end }}

{{/* The alerts of all parts, which the library holds: one release brings them. */}}
{{- define "crm-service.alerts" -}}
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: guanxi-crm
  labels:
    {{- include "crm-service.labels" (dict "root" .) | nindent 4 }}
    {{- with .Values.monitoring.rules.labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  {{- (index .Subcharts "crm-service").Files.Get "files/alerts.yaml" | nindent 2 }}
{{- end }}
