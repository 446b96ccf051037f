{{/* Names. Two releases never share one: not in a namespace, and not in the cluster. */}}

{{/* What names of this release's objects begin with. A name that is too long or has a dot gets a hash, so that it stays its own. */}}
{{- define "bowerbird.prefix" -}}
{{- if or (gt (len .Release.Name) 40) (contains "." .Release.Name) -}}
{{- printf "%s-%s" (.Release.Name | replace "." "-" | trunc 31 | trimSuffix "-") (.Release.Name | sha256sum | trunc 8) -}}
{{- else -}}
{{- .Release.Name -}}
{{- end -}}
{{- end -}}

{{/* The name of an object in a namespace: (list $ "hub"). */}}
{{- define "bowerbird.name" -}}
{{- printf "%s-%s" (include "bowerbird.prefix" (index . 0)) (index . 1) -}}
{{- end -}}

{{/* What names in the whole cluster begin with. Where namespace and release differ, a hash tells `a-b` and `c` from `a` and `b-c`. */}}
{{- define "bowerbird.scope" -}}
{{- if and (eq .Release.Namespace .Release.Name) (le (len .Release.Name) 40) -}}
{{- .Release.Name -}}
{{- else -}}
{{- $both := printf "%s/%s" .Release.Namespace .Release.Name | sha256sum | trunc 8 -}}
{{- printf "%s-%s-%s" (.Release.Namespace | trunc 16 | trimSuffix "-") (.Release.Name | replace "." "-" | trunc 16 | trimSuffix "-") $both -}}
{{- end -}}
{{- end -}}

{{- define "bowerbird.usersNamespace" -}}
{{- .Values.users.namespace | default (printf "%s-users" (include "bowerbird.scope" .)) -}}
{{- end -}}

{{- define "bowerbird.dataNamespace" -}}
{{- .Values.data.namespace | default (printf "%s-data" (include "bowerbird.scope" .)) -}}
{{- end -}}

{{/* The CSI driver, and the audience of the tokens that the kubelet hands to it. */}}
{{- define "bowerbird.driver" -}}
{{- printf "%s.csi.bowerbird" (include "bowerbird.scope" .) -}}
{{- end -}}

{{/* The state directory of keeper, plugin and holder on each node: every install has its own. */}}
{{- define "bowerbird.nodeDirectory" -}}
{{- printf "/var/lib/bowerbird/%s" (include "bowerbird.scope" .) -}}
{{- end -}}

{{- define "bowerbird.secret" -}}
{{- .Values.secrets.existingSecret | default (include "bowerbird.name" (list . "secrets")) -}}
{{- end -}}

{{/* The labels by which a component's pods are found: (list $ "hub"). They never change. */}}
{{- define "bowerbird.selector" -}}
app.kubernetes.io/name: bowerbird
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* The labels of an object. The version stands here and not in pods, which an upgrade without another image leaves alone. */}}
{{- define "bowerbird.labels" -}}
{{- $root := index . 0 -}}
{{ include "bowerbird.selector" . }}
app.kubernetes.io/part-of: bowerbird
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version }}
{{- end -}}

{{/* Name, namespace and labels of an object: (list $ "hub"), or with a namespace as the third. */}}
{{- define "bowerbird.metadata" -}}
{{- $root := index . 0 -}}
name: {{ include "bowerbird.name" . }}
namespace: {{ if gt (len .) 2 }}{{ index . 2 }}{{ else }}{{ $root.Release.Namespace }}{{ end }}
labels:
  {{- include "bowerbird.labels" . | nindent 2 }}
{{- end -}}

{{/* The same for an object of the whole cluster. */}}
{{- define "bowerbird.clusterMetadata" -}}
name: {{ include "bowerbird.scope" (index . 0) }}-{{ index . 1 }}
labels:
  {{- include "bowerbird.labels" . | nindent 2 }}
{{- end -}}
