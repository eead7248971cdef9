{{/* Brings the database up to date before any new pod starts: if it fails, the release does, and the old pods go on. It brings all it
     needs along, as nothing of the release is there yet. */}}
{{- define "crm-service.migration" -}}
{{- $here := dict "root" . "process" "migrate" }}
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ include "crm-service.processName" $here }}
  labels:
    {{- include "crm-service.labels" $here | nindent 4 }}
  annotations:
    helm.sh/hook: pre-install,pre-upgrade
    helm.sh/hook-weight: "0"
    # Helm uninstalls no hooks: what fails says why in Helm's own output (Helm 4, late Helm 3) and goes.
    helm.sh/hook-output-log-policy: hook-failed
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded,hook-failed
spec:
  backoffLimit: {{ .Values.migrate.backoffLimit }}
  activeDeadlineSeconds: {{ .Values.migrate.deadlineSeconds }}
  {{- if include "crm-service.atLeast" (dict "root" . "version" "1.23") }}
  # Should Helm itself be ended meanwhile.
  ttlSecondsAfterFinished: 3600
  {{- end }}
  template:
    metadata:
      labels:
        {{- include "crm-service.podLabels" $here | nindent 8 }}
    spec:
      {{- include "crm-service.pod" $here | trim | nindent 6 }}
{{- end }}
