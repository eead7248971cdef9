{{/* The pod of a process: {root, process}. */}}
{{- define "crm-service.pod" -}}
{{- $ := .root }}
{{- $of := index $.Values .process }}
{{- $process := .process }}
{{- $migrate := eq .process "migrate" }}
{{- $mounted := include "crm-service.mounted" . | trim }}
{{- $tls := and $.Values.tls.enabled (not $migrate) }}
serviceAccountName: {{ ternary "default" (include "crm-service.serviceAccount" $) $migrate }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with (include "crm-service.image" $ | fromYaml).pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- if $migrate }}
restartPolicy: Never
{{- else }}
terminationGracePeriodSeconds: {{ add $of.preStopSeconds (ceil $of.drainSeconds) $of.stopSeconds 5 }}
{{- end }}
{{- $placed := ternary $.Values.serve $of $migrate }}
{{- with $placed.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- range $field := list "nodeSelector" "tolerations" "affinity" }}
{{- with get $placed $field }}
{{ $field }}:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- if and $.Values.topologySpread.enabled (not $migrate) }}
topologySpreadConstraints:
  {{- range $.Values.topologySpread.topologyKeys }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: {{ $.Values.topologySpread.whenUnsatisfiable }}
    labelSelector:
      matchLabels:
        {{- include "crm-service.selector" (dict "root" $ "process" $process) | nindent 8 }}
    {{- if include "crm-service.atLeast" (dict "root" $ "version" "1.27") }}
    # Old pods go: only those of the same revision are spread.
    matchLabelKeys: [pod-template-hash]
    {{- end }}
  {{- end }}
{{- end }}
containers:
  - name: {{ .process }}
    image: {{ include "crm-service.imageName" $ | quote }}
    imagePullPolicy: {{ (include "crm-service.image" $ | fromYaml).pullPolicy }}
    args: [{{ .process }}]
    securityContext:
      allowPrivilegeEscalation: false
      readOnlyRootFilesystem: true
      capabilities: {drop: [ALL]}
    {{- if $migrate }}
    env:
      {{- range $name, $value := include "crm-service.settings" $ | fromYaml }}
      - name: {{ $name }}
        value: {{ $value | quote }}
      {{- end }}
      {{- include "crm-service.secrets" . | trim | nindent 6 }}
    {{- else }}
    envFrom:
      - configMapRef: {name: {{ include "crm-service.name" $ }}}
    env:
      - {name: DRAIN_SECONDS, value: {{ $of.drainSeconds | quote }}}
      - {name: STOP_SECONDS, value: {{ $of.stopSeconds | quote }}}
      {{- include "crm-service.secrets" . | trim | nindent 6 }}
    {{- include "crm-service.ports" . | nindent 4 }}
    {{- include "crm-service.probes" . | trim | nindent 4 }}
    {{- if gt (int $of.preStopSeconds) 0 }}
    lifecycle:
      preStop:
        {{- if include "crm-service.atLeast" (dict "root" $ "version" "1.30") }}
        sleep: {seconds: {{ $of.preStopSeconds }}}
        {{- else }}
        exec: {command: [sleep, {{ $of.preStopSeconds | quote }}]}
        {{- end }}
    {{- end }}
    {{- end }}
    resources:
      {{- toYaml $of.resources | nindent 6 }}
    volumeMounts:
      - {name: tmp, mountPath: /tmp}
      {{- if $mounted }}
      - {name: secrets, mountPath: /etc/crm/secrets, readOnly: true}
      {{- end }}
      {{- if $tls }}
      - {name: tls, mountPath: /etc/crm/tls, readOnly: true}
      {{- end }}
      {{- range $name, $_ := $.Values.files }}
      - {name: file-{{ $name }}, mountPath: /etc/crm/files/{{ $name }}, readOnly: true}
      {{- end }}
      {{- with $.Values.objectStore }}
      {{- if and (not $migrate) (or .claim .ephemeral) }}
      - {name: objects, mountPath: /var/lib/crm/objects}
      {{- end }}
      {{- end }}
volumes:
  - name: tmp
    emptyDir:
      sizeLimit: {{ $.Values.temporary.sizeLimit }}
  {{- if $mounted }}
  - name: secrets
    projected:
      defaultMode: 0440
      sources:
        {{- $mounted | nindent 8 }}
  {{- end }}
  {{- if $tls }}
  - name: tls
    secret:
      secretName: {{ include "crm-service.tlsSecret" $ }}
      defaultMode: 0440
  {{- end }}
  {{- range $name, $secret := $.Values.files }}
  - name: file-{{ $name }}
    secret:
      secretName: {{ $secret }}
      defaultMode: 0440
  {{- end }}
  {{- with $.Values.objectStore }}
  {{- if $migrate }}
  {{- else if .claim }}
  - name: objects
    persistentVolumeClaim: {claimName: {{ .claim }}}
  {{- else if .ephemeral }}
  - name: objects
    emptyDir: {sizeLimit: 1Gi}
  {{- end }}
  {{- end }}
{{- end }}

{{- define "crm-service.ports" -}}
ports:
  {{- if eq .root.Chart.Name "gateway" }}
  - {name: http, containerPort: 8080, protocol: TCP}
  {{- else if eq .process "serve" }}
  - {name: grpc, containerPort: 5051, protocol: TCP}
  {{- end }}
  - {name: monitor, containerPort: 9090, protocol: TCP}
{{- end }}

{{/* Ready is asked over gRPC where the kubelet can: since 1.24, and without TLS. */}}
{{- define "crm-service.probes" -}}
{{- $grpc := and (eq .process "serve") (ne .root.Chart.Name "gateway") (not .root.Values.tls.enabled) (include "crm-service.atLeast" (dict "root" .root "version" "1.24")) }}
startupProbe:
  httpGet: {path: /livez, port: monitor}
  periodSeconds: 1
  timeoutSeconds: 2
  failureThreshold: {{ (index .root.Values .process).startupSeconds }}
readinessProbe:
  {{- if $grpc }}
  grpc: {port: 5051}
  {{- else }}
  httpGet: {path: /readyz, port: monitor}
  {{- end }}
  periodSeconds: 3
  timeoutSeconds: 3
  failureThreshold: 2
livenessProbe:
  httpGet: {path: /livez, port: monitor}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
{{- end }}
