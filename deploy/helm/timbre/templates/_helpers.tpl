{{- define "timbre.name" -}}
{{- if contains "timbre" .Release.Name -}}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{- else -}}{{ printf "%s-timbre" (.Release.Name | trunc 33 | trimSuffix "-") }}{{- end -}}
{{- end }}

{{- define "timbre.image" -}}
{{ .Values.image.repository }}:{{ required "image.tag: the release to run" .Values.image.tag }}
{{- end }}

{{/* The labels that never change, for selectors. */}}
{{- define "timbre.selector" -}}
app.kubernetes.io/name: timbre
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "timbre.labels" -}}
{{ include "timbre.selector" . }}
app.kubernetes.io/version: {{ .Values.image.tag | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{/* Nobody is root, and nothing of the image can be changed. */}}
{{- define "timbre.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "timbre.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}
