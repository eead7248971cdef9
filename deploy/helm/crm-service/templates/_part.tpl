{{/* All resources of a part. */}}
{{- define "crm-service.part" -}}
{{- include "crm-service.check" . }}
{{- $documents := list (include "crm-service.configMap" .) }}
{{- $processes := list "serve" }}
{{- if ne .Chart.Name "gateway" }}
{{- $processes = append $processes "work" }}
{{- if .Values.migrate.enabled }}
{{- $documents = append $documents (include "crm-service.migration" .) }}
{{- if .Values.networkPolicy.enabled }}
{{- $documents = append $documents (include "crm-service.networkPolicy" (dict "root" . "hook" true)) }}
{{- end }}
{{- end }}
{{- end }}
{{- if .Values.serviceAccount.create }}
{{- $documents = append $documents (include "crm-service.serviceAccountResource" .) }}
{{- end }}
{{- range $process := $processes }}
{{- $here := dict "root" $ "process" $process }}
{{- $of := index $.Values $process }}
{{- $documents = append $documents (include "crm-service.deployment" $here) }}
{{- if $of.disruption.enabled }}
{{- $documents = append $documents (include "crm-service.disruptionBudget" $here) }}
{{- end }}
{{- if $of.autoscaling.enabled }}
{{- $documents = append $documents (include "crm-service.autoscaler" $here) }}
{{- end }}
{{- end }}
{{- $documents = append $documents (include "crm-service.service" (dict "root" .)) }}
{{- if ne .Chart.Name "gateway" }}
{{- $documents = append $documents (include "crm-service.service" (dict "root" . "headless" true)) }}
{{- end }}
{{- if .Values.networkPolicy.enabled }}
{{- $documents = append $documents (include "crm-service.networkPolicy" (dict "root" .)) }}
{{- if (.Values.networkPolicy.database).podLabels }}
{{- $documents = append $documents (include "crm-service.databasePolicy" .) }}
{{- end }}
{{- end }}
{{- if and .Values.tls.enabled .Values.tls.certManager.enabled }}
{{- $documents = append $documents (include "crm-service.certificate" .) }}
{{- end }}
{{- if .Values.monitoring.serviceMonitor.enabled }}
{{- $documents = append $documents (include "crm-service.monitorService" .) }}
{{- $documents = append $documents (include "crm-service.serviceMonitor" .) }}
{{- end }}
{{- if .Values.monitoring.rules.enabled }}
{{- $documents = append $documents (include "crm-service.alerts" .) }}
{{- end }}
{{- if (.Values.ingress).enabled }}
{{- $documents = append $documents (include "crm-service.ingressResource" .) }}
{{- end }}
{{- if (.Values.httpRoute).enabled }}
{{- $documents = append $documents (include "crm-service.httpRoute" .) }}
{{- end }}
{{- join "\n---\n" $documents }}
{{- end }}

{{/* What no schema can tell: fails with what to do. */}}
{{- define "crm-service.check" -}}
{{- with .Values.objectStore }}
{{- $bucket := (($.Values.settings).OBJECT_STORE) | default "" }}
{{- if not (or .claim .ephemeral $bucket) }}
{{- fail (printf "%s: say where files are kept: settings.OBJECT_STORE=s3://bucket/prefix, objectStore.claim, or for a trial objectStore.ephemeral=true" $.Chart.Name) }}
{{- end }}
{{- if and .claim .ephemeral }}
{{- fail (printf "%s: objectStore.claim and objectStore.ephemeral exclude each other" $.Chart.Name) }}
{{- end }}
{{- end }}
{{- if and (.Values.ingress).enabled (not .Values.ingress.host) }}
{{- fail (printf "%s: name ingress.host" .Chart.Name) }}
{{- end }}
{{- if and (.Values.httpRoute).enabled (not (and .Values.httpRoute.parentRefs .Values.httpRoute.hostnames)) }}
{{- fail (printf "%s: httpRoute needs parentRefs and hostnames" .Chart.Name) }}
{{- end }}
{{- range $process := list "serve" "work" }}
{{- with (index $.Values $process) }}
{{- if and .autoscaling.enabled (gt (int .autoscaling.minReplicas) (int .autoscaling.maxReplicas)) }}
{{- fail (printf "%s: %s.autoscaling.minReplicas is above maxReplicas" $.Chart.Name $process) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
