{{/* {root, process} */}}
{{- define "crm-service.disruptionBudget" -}}
{{- $ := .root }}
apiVersion: policy/v1{{ if not (include "crm-service.atLeast" (dict "root" $ "version" "1.21")) }}beta1{{ end }}
kind: PodDisruptionBudget
metadata:
  name: {{ include "crm-service.processName" . }}
  labels:
    {{- include "crm-service.labels" . | nindent 4 }}
spec:
  maxUnavailable: {{ (index $.Values .process).disruption.maxUnavailable }}
  {{- if include "crm-service.atLeast" (dict "root" $ "version" "1.27") }}
  # Pods that are not ready anyway do not hold up a drain.
  unhealthyPodEvictionPolicy: AlwaysAllow
  {{- end }}
  selector:
    matchLabels:
      {{- include "crm-service.selector" . | nindent 6 }}
{{- end }}

{{/* {root, process}: by CPU, or by a metric from outside the cluster's own. */}}
{{- define "crm-service.autoscaler" -}}
{{- $ := .root }}
{{- $scaling := (index $.Values .process).autoscaling }}
apiVersion: autoscaling/v2{{ if not (include "crm-service.atLeast" (dict "root" $ "version" "1.23")) }}beta2{{ end }}
kind: HorizontalPodAutoscaler
metadata:
  name: {{ include "crm-service.processName" . }}
  labels:
    {{- include "crm-service.labels" . | nindent 4 }}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: {{ include "crm-service.processName" . }}}
  minReplicas: {{ $scaling.minReplicas }}
  maxReplicas: {{ $scaling.maxReplicas }}
  behavior:
    scaleDown:
      stabilizationWindowSeconds: 300
  metrics:
    {{- if $scaling.external }}
    - type: External
      external:
        metric:
          name: {{ $scaling.external.metric }}
          selector:
            matchLabels:
              {{- toYaml ($scaling.external.labels | default (dict "service" $.Chart.Name)) | nindent 14 }}
        target: {type: AverageValue, averageValue: {{ $scaling.external.averageValue | quote }}}
    {{- else }}
    - type: Resource
      resource:
        name: cpu
        target: {type: Utilization, averageUtilization: {{ $scaling.cpuPercent }}}
    {{- end }}
{{- end }}
