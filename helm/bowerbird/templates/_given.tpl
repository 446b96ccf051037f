{{/* Fail where what a value names is not there: (list "path.of.value" "apiVersion" "Kind" "namespace" "name"), and for a Secret its keys. */}}
{{- define "bowerbird.given" -}}
{{- $kind := index . 2 -}}{{- $namespace := index . 3 -}}{{- $name := index . 4 -}}
{{- if $name -}}
{{- $found := lookup (index . 1) $kind $namespace $name -}}
{{- $place := ternary (printf " in the namespace '%s'" $namespace) "" (ne $namespace "") -}}
{{- if not $found -}}
{{- fail (printf "%s: there is no %s '%s'%s; nothing was changed" (index . 0) $kind $name $place) -}}
{{- end -}}
{{- if gt (len .) 5 -}}
{{- range $key := index . 5 -}}
{{- if not (index ($found.data | default dict) $key) -}}
{{- fail (printf "%s: the Secret '%s'%s has no key '%s'; nothing was changed" (index $ 0) $name $place $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
