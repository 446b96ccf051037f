{{/*
Every command line that the chart starts.
*/}}

{{/* That BOWERBIRD_PODS is in its environment says that it runs in a pod. */}}
{{- define "bowerbird.program.hub" -}}
[jupyterhub, --config, /etc/bowerbird/hub/jupyterhub_config.py]
{{- end -}}

{{- define "bowerbird.program.proxy" -}}
{{- $hub := include "bowerbird.hubUrl" . -}}
[configurable-http-proxy, --ip, 0.0.0.0, --port, "8000", --api-ip, 0.0.0.0, --api-port, "8001", --metrics-ip, 0.0.0.0, --metrics-port, "8002", --host-routing, --default-target, {{ $hub }}/hub/elsewhere, --error-path, /etc/bowerbird/away]
{{- end -}}

{{/* What Node loads before the proxy, as on one machine. */}}
{{- define "bowerbird.proxyScripts" -}}
{{- range $number, $name := list "broken_answers" "away" "unreadable" }}{{ if $number }} {{ end }}--require /opt/bowerbird/hub/bowerbird_hub/supervision/{{ $name }}.cjs{{ end }}
{{- end -}}

{{/* They follow the hub at its inner door; their volume shows every release. */}}
{{- define "bowerbird.program.services" -}}
[python3, -I, -m, bowerbird_services.main, --host, 0.0.0.0, --port, "8080", --images-port, "8084", --tables, /srv/bowerbird/tables, --surveys, /srv/bowerbird/surveys, --ingest, {{ include "bowerbird.ingestState" . }}, --state, /srv/bowerbird/services, --hub, {{ include "bowerbird.nodeDoorUrl" . }}, --releases, /run/volume/data/releases, --address, {{ include "bowerbird.publicUrl" . }}{{ include "bowerbird.servicesPath" . }}, --prefix, {{ include "bowerbird.servicesPath" . }}, --look, /opt/bowerbird/bowerbird.css]
{{- end -}}

{{/* What makes the tables and surveys that they serve. */}}
{{- define "bowerbird.program.ingest" -}}
[python3, -I, -m, bowerbird_services.ingest.follow, --hub, {{ include "bowerbird.nodeDoorUrl" . }}, --releases, /run/volume/data/releases, --tables, /srv/bowerbird/tables, --surveys, /srv/bowerbird/surveys, --state, {{ include "bowerbird.ingestState" . }}]
{{- end -}}

{{/* Where the one says how it goes, and the others read it. */}}
{{- define "bowerbird.ingestState" -}}
/srv/bowerbird/ingest.json
{{- end -}}

{{- define "bowerbird.program.demoCas" -}}
[python3, -I, /opt/bowerbird/hub/bowerbird_hub/demo_cas/main.py, --host, 0.0.0.0, --port, "8082", --dir, /srv/bowerbird/cas, --accounts, /srv/bowerbird/cas/accounts.json, --hub, "http://127.0.0.1:8081"]
{{- end -}}

{{/* Keeper and CSI node plugin. What it is told by the hub comes through the hub's door for node plugins. */}}
{{- define "bowerbird.program.data" -}}
[python3, -I, -m, bowerbird_fuse.csi, --var, {{ include "bowerbird.nodeDirectory" . }}, --driver, {{ include "bowerbird.driver" . }}, --hub, {{ include "bowerbird.nodeDoorUrl" . }}, --kubelet, {{ .Values.data.kubeletDirectory }}, --token-file, /var/run/secrets/bowerbird/token]
{{- end -}}

{{- define "bowerbird.program.holder" -}}
[python3, -I, -m, bowerbird_fuse.holder, --socket, {{ include "bowerbird.nodeDirectory" . }}/run/holder.sock]
{{- end -}}

{{- define "bowerbird.program.cull" -}}
[python3, -I, -m, bowerbird_hub.chart.cull, --platform, /etc/bowerbird/platform/platform.yaml]
{{- end -}}

{{- define "bowerbird.program.makeSecrets" -}}
[python3, -I, -m, bowerbird_hub.chart.make_secrets, --namespace, {{ .Release.Namespace }}, --name, {{ include "bowerbird.secret" . }}]
{{- end -}}

{{- define "bowerbird.program.awaitImages" -}}
[python3, -I, -m, bowerbird_hub.chart.await_images, --namespace, {{ .Release.Namespace }}, --name, {{ include "bowerbird.name" (list . "pre-pull") }}, --seconds, {{ int .Values.prePull.timeoutSeconds | quote }}]
{{- end -}}

{{- define "bowerbird.program.upgradeDatabase" -}}
[python3, -I, -m, bowerbird_hub.chart.upgrade_database, --directory, /srv/bowerbird, --backups, {{ int .Values.hub.backups | quote }}, --revision, {{ .Release.Revision | quote }}]
{{- end -}}

{{- define "bowerbird.program.stopPods" -}}
[python3, -I, -m, bowerbird_hub.chart.stop_pods, --release, {{ .Release.Name | quote }}, --namespace, {{ .Release.Namespace }}, --users, {{ include "bowerbird.usersNamespace" . }}, --hub, {{ include "bowerbird.name" (list . "hub") }}, --services, {{ include "bowerbird.name" (list . "services") }}, --seconds, "240"]
{{- end -}}
