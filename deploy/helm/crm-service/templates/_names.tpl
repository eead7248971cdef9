{{/* The name of the part, which is also where others find it. */}}
{{- define "crm-service.name" -}}
{{ .Values.nameOverride | default .Chart.Name }}
{{- end }}

{{/* What selects the pods of a part, whichever release they are of: {root, part?, process?}. */}}
{{- define "crm-service.peer" -}}
app.kubernetes.io/name: {{ .part | default (include "crm-service.name" .root) }}
app.kubernetes.io/part-of: guanxi-crm
{{- with .process }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end }}

{{/* What selects the pods of one process of this release, for ever: {root, process}. */}}
{{- define "crm-service.selector" -}}
app.kubernetes.io/name: {{ include "crm-service.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .process }}
{{- end }}

{{/* {root, process?} */}}
{{- define "crm-service.labels" -}}
app.kubernetes.io/name: {{ include "crm-service.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/part-of: guanxi-crm
app.kubernetes.io/version: {{ include "crm-service.tag" .root | trunc 63 | trimSuffix "-" | trimSuffix "." | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- with .process }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- with .root.Values.labels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Those of a pod: what an upgrade of the chart alone does not change. */}}
{{- define "crm-service.podLabels" -}}
{{ include "crm-service.selector" . }}
app.kubernetes.io/part-of: guanxi-crm
{{- with .root.Values.labels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The settings of the image: those of all parts, unless this one has its own. */}}
{{- define "crm-service.image" -}}
{{- $common := ((.Values.global).image) | default dict }}
{{- toYaml (merge (dict) (pick .Values.image "registry" "tag" "digest" | include "crm-service.given" | fromYaml) $common .Values.image) }}
{{- end }}

{{/* Of a map, what is not empty. */}}
{{- define "crm-service.given" -}}
{{- $given := dict }}
{{- range $key, $value := . }}
{{- if $value }}{{ $_ := set $given $key $value }}{{ end }}
{{- end }}
{{- toYaml $given }}
{{- end }}

{{- define "crm-service.tag" -}}
{{ (include "crm-service.image" . | fromYaml).tag | default .Chart.AppVersion }}
{{- end }}

{{- define "crm-service.imageName" -}}
{{- $image := include "crm-service.image" . | fromYaml }}
{{- if $image.name }}
{{- $image.name }}
{{- else }}
{{- with $image.registry }}{{ . | trimSuffix "/" }}/{{ end }}
{{- with $image.repository }}{{ . | trimSuffix "/" }}/{{ end }}
{{- .Chart.Name }}
{{- end }}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ include "crm-service.tag" . }}{{ end }}
{{- end }}

{{- define "crm-service.serviceAccount" -}}
{{ .Values.serviceAccount.name | default (ternary (include "crm-service.name" .) "default" .Values.serviceAccount.create) }}
{{- end }}

{{/* "true" if this is Kubernetes of at least a version: {root, version}. Pre-releases and builds of vendors count. */}}
{{- define "crm-service.atLeast" -}}
{{- if semverCompare (printf ">=%s-0" .version) .root.Capabilities.KubeVersion.Version }}true{{ end }}
{{- end }}
