{{/* The settings that are no secret, as environment variables: what all parts have, then what this one has. */}}
{{- define "crm-service.settings" -}}
{{- $settings := dict "MONITOR_LISTEN" "0.0.0.0:9090" }}
{{- if eq .Chart.Name "gateway" }}
{{- $_ := set $settings "GATEWAY_LISTEN" "0.0.0.0:8080" }}
{{- else }}
{{- $_ := set $settings "GRPC_LISTEN" "0.0.0.0:5051" }}
{{- end }}
{{- if .Values.tls.enabled }}
{{- $_ := set $settings "TLS_CERTIFICATE_FILE" "/etc/crm/tls/tls.crt" }}
{{- $_ := set $settings "TLS_KEY_FILE" "/etc/crm/tls/tls.key" }}
{{- $_ := set $settings "TLS_CA_FILE" "/etc/crm/tls/ca.crt" }}
{{- end }}
{{- range $part, $target := .Values.targets }}
{{- if ne (toString (get ((($.Values.global).parts) | default dict) $part)) "false" }}
{{- $_ := set $settings (printf "%s_TARGET" (upper $part)) ($target | default (printf "%s-headless:5051" $part)) }}
{{- end }}
{{- end }}
{{- with .Values.objectStore }}
{{- if or .claim .ephemeral }}
{{- $_ := set $settings "OBJECT_STORE" "file:///var/lib/crm/objects" }}
{{- end }}
{{- end }}
{{- range $map := list (((.Values.global).settings) | default dict) .Values.settings }}
{{- range $name, $value := $map }}
{{- if ne (toString $value) "" }}
{{- $_ := set $settings $name (include "crm-service.text" $value) }}
{{- end }}
{{- end }}
{{- end }}
{{- toYaml $settings }}
{{- end }}

{{/* A value as settings read it: true is 1, false is 0, and whole numbers have no exponent. */}}
{{- define "crm-service.text" -}}
{{- if kindIs "bool" . }}{{ ternary "1" "0" . }}
{{- else if kindIs "float64" . }}{{ if eq . (floor .) }}{{ int64 . }}{{ else }}{{ . }}{{ end }}
{{- else }}{{ . }}{{ end }}
{{- end }}

{{/* Which processes need which secret; what is not listed, all do. A client's secret is for the one who signs in with it, and for the
     migration of the service that lets it in. */}}
{{- define "crm-service.needed" -}}
{{- $name := .name }}
{{- $own := printf "SERVICE_CLIENT_SECRET_%s" (upper .root.Chart.Name) }}
{{- $processes := list "serve" "work" "migrate" }}
{{- if hasPrefix "SERVICE_CLIENT_SECRET_" $name }}
{{- $processes = ternary (list "serve" "work") (list "migrate") (eq $name $own) }}
{{- else if eq $name "BOOTSTRAP_ADMIN_PASSWORD" }}
{{- $processes = list "migrate" }}
{{- else if has $name (list "TOKEN_SIGNING_KEY" "GATEWAY_SECRET" "DIALLER_SECRET") }}
{{- $processes = list "serve" }}
{{- else if or (eq $name "SMTP_URL") (hasPrefix "DATABASE_READ_URL_" $name) }}
{{- $processes = list "work" }}
{{- else if or (hasPrefix "AWS_" $name) (hasPrefix "OTEL_" $name) (eq $name "AUTOMATION_WEBHOOK_SECRET") }}
{{- $processes = list "serve" "work" }}
{{- else if eq $name "AMQP_URL" }}
{{- $processes = ternary (list "serve") (list "work" "migrate") (eq .root.Chart.Name "gateway") }}
{{- end }}
{{- if has .process $processes }}true{{ end }}
{{- end }}

{{/* The secrets of a process, as environment variables: {root, process}. */}}
{{- define "crm-service.secrets" -}}
{{- $here := . }}
{{- range $name, $from := .root.Values.secrets }}
{{- if and $from $from.name (include "crm-service.needed" (dict "root" $here.root "process" $here.process "name" $name)) }}
- name: {{ $name }}
  {{- if $from.mount }}
  value: file:///etc/crm/secrets/{{ $name }}
  {{- else }}
  valueFrom:
    secretKeyRef:
      name: {{ $from.name }}
      key: {{ $from.key }}
      {{- if $from.optional }}
      optional: true
      {{- end }}
  {{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* Those that are read from a file again and again, so that they can be changed while everything runs: {root, process}. */}}
{{- define "crm-service.mounted" -}}
{{- $here := . }}
{{- range $name, $from := .root.Values.secrets }}
{{- if and $from $from.name $from.mount (include "crm-service.needed" (dict "root" $here.root "process" $here.process "name" $name)) }}
- secret:
    name: {{ $from.name }}
    items: [{key: {{ $from.key }}, path: {{ $name }}}]
    {{- if $from.optional }}
    optional: true
    {{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "crm-service.configMap" -}}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ include "crm-service.name" . }}
  labels:
    {{- include "crm-service.labels" (dict "root" .) | nindent 4 }}
data:
  {{- range $name, $value := include "crm-service.settings" . | fromYaml }}
  {{ $name }}: {{ $value | quote }}
  {{- end }}
{{- end }}
