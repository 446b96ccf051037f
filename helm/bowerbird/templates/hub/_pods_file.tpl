{{/* What the hub is told of user pods; bowerbird_config.pod_settings has the type. Its keys are ours, so they are not Helm's. */}}
{{- define "bowerbird.pods" -}}
{{- $users := .Values.users -}}
namespace: {{ include "bowerbird.usersNamespace" . }}
release: {{ include "bowerbird.prefix" . }}
domain: {{ $users.domain }}
hub_url: {{ include "bowerbird.hubUrl" . }}
driver: {{ include "bowerbird.driver" . }}
images: {{ toJson $users.images }}
shared_storage: {{ not (empty .Values.data.storage.existingClaim) }}
python: {{ $users.python | quote }}
pull_policy: {{ .Values.images.pullPolicy }}
pull_secrets: {{ toJson .Values.images.pullSecrets }}
service_account: {{ include "bowerbird.name" (list . "server") }}
{{- with $users.priorityClass }}
priority_class: {{ . }}
{{- end }}
requests: {{ toJson $users.requests }}
scratch: {{ include "bowerbird.size" $users.scratch }}
labels: {{ toJson $users.labels }}
annotations: {{ toJson $users.annotations }}
{{- include "bowerbird.podPlacement" $users | nindent 0 }}
profiles:
  {{- range $name, $profile := $users.profiles }}
  {{ $name }}:
    {{- include "bowerbird.podPlacement" $profile | nindent 4 }}
    {{- with $profile.requests }}
    requests: {{ toJson . }}
    {{- end }}
  {{- else }} {}
  {{- end }}
{{- end -}}

{{- define "bowerbird.podPlacement" -}}
node_selector: {{ toJson (.nodeSelector | default dict) }}
tolerations: {{ toJson (.tolerations | default list) }}
{{- end -}}

{{- define "bowerbird.size" -}}
{{ . | quote }}
{{- end -}}
