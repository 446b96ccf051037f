{{/* Peers and addresses of NetworkPolicies. */}}

{{/* Every pod of a namespace. */}}
{{- define "bowerbird.namespaceOnly" -}}
namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: {{ . }}}}
{{- end -}}

{{/* The pods of a component: (list $ "hub" "namespace"). */}}
{{- define "bowerbird.peer" -}}
{{ include "bowerbird.namespaceOnly" (index . 2) }}
podSelector:
  matchLabels:
    {{- include "bowerbird.selector" . | nindent 4 }}
{{- end -}}

{{/* A network less those of the same kind that are closed: (list "0.0.0.0/0" .Values.networkPolicy.closed). */}}
{{- define "bowerbird.block" -}}
{{- $six := contains ":" (index . 0) -}}
{{- $except := list -}}
{{- range index . 1 }}{{ if eq (contains ":" .) $six }}{{ $except = append $except . }}{{ end }}{{ end -}}
{{- toJson (dict "cidr" (index . 0) "except" $except) -}}
{{- end -}}

{{- define "bowerbird.anywhere" -}}
- ipBlock: {{ include "bowerbird.block" (list "0.0.0.0/0" .Values.networkPolicy.closed) }}
- ipBlock: {{ include "bowerbird.block" (list "::/0" .Values.networkPolicy.closed) }}
{{- end -}}

{{/* Addresses of the internet: neither those of this cluster and its neighbours, nor what is closed. */}}
{{- define "bowerbird.publicAddresses" -}}
{{- $private := list "10.0.0.0/8" "172.16.0.0/12" "192.168.0.0/16" "100.64.0.0/10" "169.254.0.0/16" "fc00::/7" "fe80::/10" -}}
{{- $closed := concat $private .Values.networkPolicy.closed | uniq -}}
- ipBlock: {{ include "bowerbird.block" (list "0.0.0.0/0" $closed) }}
- ipBlock: {{ include "bowerbird.block" (list "::/0" $closed) }}
{{- end -}}

{{- define "bowerbird.databasePort" -}}
{{- $host := (urlParse (.url | default "postgresql://host")).host -}}
{{- if contains ":" $host }}{{ splitList ":" $host | last }}{{ else }}5432{{ end -}}
{{- end -}}

{{/* Where the API server, the CAS server and the database listen. A password is no part of it: the address in a Secret is not known here. */}}
{{- define "bowerbird.outerPorts" -}}
{{- $ports := list 443 6443 -}}
{{- with (.Values.platform.sign_on).cas -}}
{{- $host := (urlParse .url).host -}}
{{- $ports = append $ports (ternary (splitList ":" $host | last | int) (ternary 443 80 (hasPrefix "https:" .url)) (contains ":" $host)) -}}
{{- end -}}
{{- if or .Values.database.url .Values.database.existingSecret -}}
{{- $ports = append $ports (include "bowerbird.databasePort" .Values.database | int) -}}
{{- end -}}
{{- range uniq $ports }}
- port: {{ . }}
{{- end }}
{{- end -}}

{{/* Prometheus may ask for figures, where its namespace is named: (list $ 8081). */}}
{{- define "bowerbird.fromPrometheus" -}}
{{- with (index . 0).Values.monitoring.namespace }}
- ports: [{port: {{ index $ 1 }}}]
  from: [{{ include "bowerbird.namespaceOnly" . | fromYaml | toJson }}]
{{- end }}
{{- end -}}
