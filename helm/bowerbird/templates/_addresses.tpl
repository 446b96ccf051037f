{{/* Who is where. */}}

{{- define "bowerbird.scheme" -}}
{{- if and .Values.ingress.enabled .Values.ingress.tls.enabled }}https{{ else }}http{{ end -}}
{{- end -}}

{{/* The address that people are given, without '/' at its end. */}}
{{- define "bowerbird.publicUrl" -}}
{{- include "bowerbird.scheme" . }}://{{ .Values.ingress.host }}
{{- with .Values.ingress.port }}:{{ int . }}{{ end -}}
{{- end -}}

{{/* A component's address in the cluster: (list $ "hub" 8081). */}}
{{- define "bowerbird.url" -}}
{{- $root := index . 0 -}}
http://{{ include "bowerbird.name" . }}.{{ $root.Release.Namespace }}:{{ index . 2 }}
{{- end -}}

{{- define "bowerbird.hubUrl" -}}{{ include "bowerbird.url" (list . "hub" 8081) }}{{- end -}}
{{- define "bowerbird.hubApi" -}}{{ include "bowerbird.hubUrl" . }}/hub/api{{- end -}}
{{- define "bowerbird.nodeDoorUrl" -}}{{ include "bowerbird.url" (list . "hub" 8083) }}{{- end -}}
{{- define "bowerbird.proxyApi" -}}{{ include "bowerbird.url" (list . "proxy-api" 8001) }}{{- end -}}
{{- define "bowerbird.servicesUrl" -}}{{ include "bowerbird.url" (list . "services" 8080) }}{{- end -}}
{{- define "bowerbird.imagePartsUrl" -}}{{ include "bowerbird.url" (list . "services" 8084) }}{{- end -}}
{{- define "bowerbird.demoCasUrl" -}}{{ include "bowerbird.url" (list . "demo-cas" 8082) }}{{- end -}}
{{- define "bowerbird.servicesPath" -}}/services/vo{{- end -}}
