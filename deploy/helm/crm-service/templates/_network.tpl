{{/* Nothing reaches the pods of a part, and they reach nothing, but for what is listed. For the migration it comes as a hook, before
     the rest: {root, hook}. */}}
{{- define "crm-service.networkPolicy" -}}
{{- $ := .root }}
{{- $policy := $.Values.networkPolicy }}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include "crm-service.name" $ }}{{ if .hook }}-migrate{{ end }}
  labels:
    {{- include "crm-service.labels" (dict "root" $) | nindent 4 }}
  {{- if .hook }}
  annotations:
    helm.sh/hook: pre-install,pre-upgrade
    helm.sh/hook-weight: "-10"
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded,hook-failed
  {{- end }}
spec:
  podSelector:
    {{- if .hook }}
    matchLabels:
      {{- include "crm-service.selector" (dict "root" $ "process" "migrate") | nindent 6 }}
    {{- else }}
    matchLabels:
      app.kubernetes.io/name: {{ include "crm-service.name" $ }}
      app.kubernetes.io/instance: {{ $.Release.Name }}
    {{- end }}
  policyTypes: [Ingress, Egress]
  {{- if not .hook }}
  ingress:
    {{- include "crm-service.ingress" $ | trim | nindent 4 }}
  {{- end }}
  egress:
    - ports:
        - {port: 53, protocol: UDP}
        - {port: 53, protocol: TCP}
      {{- with include "crm-service.to" $policy.dns | trim }}{{ . | nindent 6 }}{{ end }}
    - ports:
        - {port: {{ $policy.broker.port }}, protocol: TCP}
      {{- with include "crm-service.to" $policy.broker.to | trim }}{{ . | nindent 6 }}{{ end }}
    {{- with $policy.database }}
    - ports:
        - {port: {{ .port }}, protocol: TCP}
      {{- $peers := ternary (list (dict "podSelector" (dict "matchLabels" .podLabels))) .to (not (empty .podLabels)) }}
      {{- with include "crm-service.to" $peers | trim }}{{ . | nindent 6 }}{{ end }}
    {{- end }}
    {{- if not .hook }}
    {{- with include "crm-service.egress" $ | trim }}{{ . | nindent 4 }}{{ end }}
    {{- end }}
{{- end }}

{{/* Peers; none for all. */}}
{{- define "crm-service.to" -}}
{{- with . }}
to:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "crm-service.ingress" -}}
{{- $policy := .Values.networkPolicy }}
{{- if eq .Chart.Name "gateway" }}
- ports:
    - {port: 8080, protocol: TCP}
  {{- with $policy.clients }}
  from:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- else }}
- ports:
    - {port: 5051, protocol: TCP}
  from:
    {{- range .Values.callers }}
    - podSelector:
        matchLabels:
          {{- include "crm-service.peer" (dict "part" .) | nindent 10 }}
    {{- end }}
{{- end }}
{{- with $policy.monitoring }}
- ports:
    - {port: 9090, protocol: TCP}
  from:
    {{- toYaml . | nindent 4 }}
{{- end }}
{{- with $policy.extraIngress }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "crm-service.egress" -}}
{{- $policy := .Values.networkPolicy }}
{{- with .Values.targets }}
- ports:
    - {port: 5051, protocol: TCP}
  to:
    {{- range $part, $_ := . }}
    - podSelector:
        matchLabels:
          {{- include "crm-service.peer" (dict "part" $part) | nindent 10 }}
    {{- end }}
{{- end }}
{{- with $policy.publicPorts }}
- ports:
    {{- range . }}
    - {port: {{ . }}, protocol: TCP}
    {{- end }}
  to:
    - ipBlock:
        cidr: 0.0.0.0/0
        except: [10.0.0.0/8, 100.64.0.0/10, 169.254.0.0/16, 172.16.0.0/12, 192.168.0.0/16]
    - ipBlock:
        cidr: ::/0
        except: [fc00::/7, fe80::/10]
{{- end }}
{{- with $policy.extraEgress }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* If the database runs in this namespace: nobody reaches it but this service, its own pods and who looks after it. */}}
{{- define "crm-service.databasePolicy" -}}
{{- $database := .Values.networkPolicy.database }}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include "crm-service.name" . }}-database
  labels:
    {{- include "crm-service.labels" (dict "root" .) | nindent 4 }}
spec:
  podSelector:
    matchLabels:
      {{- toYaml $database.podLabels | nindent 6 }}
  policyTypes: [Ingress]
  ingress:
    - ports:
        - {port: {{ $database.port }}, protocol: TCP}
      from:
        - podSelector:
            matchLabels:
              {{- include "crm-service.peer" (dict "root" .) | nindent 14 }}
    - from:
        - podSelector:
            matchLabels:
              {{- toYaml $database.podLabels | nindent 14 }}
        {{- with $database.admitted }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
{{- end }}
