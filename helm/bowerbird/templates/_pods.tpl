{{/* What pods have in common. */}}

{{/* An image: (list $ .Values.images.hub). */}}
{{- define "bowerbird.image" -}}
{{- $root := index . 0 -}}{{- $image := index . 1 -}}
{{- with $root.Values.images.registry }}{{ trimSuffix "/" . }}/{{ end }}{{ $image.repository }}
{{- if hasPrefix "sha256:" $image.tag }}@{{ $image.tag }}{{ else }}:{{ $image.tag | default $root.Chart.AppVersion }}{{ end -}}
{{- end -}}

{{/* Image and its policy of a container: (list $ .Values.images.hub). */}}
{{- define "bowerbird.container" -}}
image: {{ include "bowerbird.image" . }}
imagePullPolicy: {{ (index . 0).Values.images.pullPolicy }}
{{- end -}}

{{- define "bowerbird.pullSecrets" -}}
{{- with .Values.images.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* Pod Security `restricted`, for all but the node plugin and the holder. */}}
{{- define "bowerbird.restrictedPod" -}}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "bowerbird.restrictedContainer" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end -}}

{{/* On which nodes: what has nodeSelector and tolerations. */}}
{{- define "bowerbird.placement" -}}
{{- with .nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations:
  {{- range . }}
  - {{ omit . "seconds" | toJson }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* A secret of the platform in a variable: (list $ "VARIABLE" "key"). */}}
{{- define "bowerbird.secretVariable" -}}
- name: {{ index . 1 }}
  valueFrom: {secretKeyRef: {name: {{ include "bowerbird.secret" (index . 0) }}, key: {{ index . 2 }}}}
{{- end -}}

{{/* The address of a database in a variable, where one is named: (list "VARIABLE" .Values.database). */}}
{{- define "bowerbird.databaseVariable" -}}
{{- $database := index . 1 -}}
{{- if $database.existingSecret }}
- name: {{ index . 0 }}
  valueFrom: {secretKeyRef: {name: {{ $database.existingSecret }}, key: url}}
{{- else if $database.url }}
- name: {{ index . 0 }}
  value: {{ $database.url | quote }}
{{- end }}
{{- end -}}

{{/* A claim: (list $ "hub" .Values.hub.volume). */}}
{{- define "bowerbird.claimName" -}}
{{- (index . 2).existingClaim | default (include "bowerbird.name" .) -}}
{{- end -}}

{{/* One that goes with an uninstall takes what people did with it: so it stays. */}}
{{- define "bowerbird.claim" -}}
{{- $volume := index . 2 -}}
{{- if not $volume.existingClaim }}
{{- /* Named as when it was made, whatever the values say since: Kubernetes changes the class of no claim, and takes none away. */}}
{{- $there := lookup "v1" "PersistentVolumeClaim" (index . 0).Release.Namespace (include "bowerbird.name" .) }}
{{- $class := dig "metadata" "annotations" "bowerbird/storage-class" $volume.storageClass $there }}
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  {{- include "bowerbird.metadata" (list (index . 0) (index . 1)) | nindent 2 }}
  annotations: {helm.sh/resource-policy: keep, bowerbird/storage-class: {{ $class | quote }}}
spec:
  accessModes: [ReadWriteOnce]
  {{- with $class }}
  storageClassName: {{ . }}
  {{- end }}
  resources: {requests: {storage: {{ $volume.size }}}}
{{- end }}
{{- end -}}

{{/* For Prometheus without its operator: (list $ 8081 "/hub/metrics"). */}}
{{- define "bowerbird.scraped" -}}
{{- if (index . 0).Values.monitoring.annotations }}
prometheus.io/scrape: "true"
prometheus.io/port: {{ index . 1 | quote }}
prometheus.io/path: {{ index . 2 }}
{{- end }}
{{- end -}}
