"""What a release needs of a cluster, taken from the very manifests that Helm would send. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from bowerbird_config.pod_settings import PodSettings
from bowerbird_config.values import Values

Manifest = Mapping[str, Any]
_POD_KINDS = frozenset({"Deployment", "DaemonSet", "Job"})


@dataclass(frozen=True, slots=True, order=True)
class WantedSecret:
    """A Secret of the admin's, which has to be there before."""

    namespace: str
    name: str
    keys: tuple[str, ...]
    # The value that names it.
    named_by: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """A release: where it goes, its values, its manifests, and what its hub is told of user pods."""

    release: str
    namespace: str
    values: Values
    manifests: tuple[Manifest, ...]
    settings: PodSettings

    @classmethod
    def of(cls, release: str, namespace: str, values: Values, rendered: str) -> "Wanted":
        """Return what a rendered release needs."""
        manifests = tuple(each for each in yaml.safe_load_all(rendered) if each)
        told = (each["data"]["pods.yaml"] for each in manifests if each["kind"] == "ConfigMap" and "pods.yaml" in each["data"])
        return cls(release, namespace, values, manifests, PodSettings.model_validate(yaml.safe_load(next(told))))

    def of_kind(self, kind: str) -> list[Manifest]:
        """Return the objects of a kind."""
        return [each for each in self.manifests if each["kind"] == kind]

    @property
    def data_namespace(self) -> str:
        """Where the node plugin runs."""
        (plugin,) = (each for each in self.of_kind("DaemonSet") if component(each) == "data")
        return str(plugin["metadata"]["namespace"])

    @property
    def made_namespaces(self) -> frozenset[str]:
        """The namespaces that the chart makes."""
        return frozenset(each["metadata"]["name"] for each in self.of_kind("Namespace"))

    @property
    def namespaces(self) -> tuple[str, ...]:
        """Every namespace that something of the release is in."""
        return tuple(dict.fromkeys((self.namespace, self.settings.namespace, self.data_namespace)))

    @property
    def api_versions(self) -> tuple[str, ...]:
        """The parts of the API that the manifests are written in."""
        return tuple(sorted({each["apiVersion"] for each in self.manifests}))

    @property
    def claims(self) -> tuple[tuple[str, str], ...]:
        """The claims that have to be there before, by namespace and name."""
        made = {(each["metadata"]["namespace"], each["metadata"]["name"]) for each in self.of_kind("PersistentVolumeClaim")}
        used = (
            (namespace, volume["persistentVolumeClaim"]["claimName"])
            for namespace, pod in self._pods()
            for volume in pod.get("volumes", ())
            if "persistentVolumeClaim" in volume
        )
        return tuple(dict.fromkeys(claim for claim in used if claim not in made))

    @property
    def secrets(self) -> tuple[WantedSecret, ...]:
        """The Secrets of the admin's that the release reads."""
        named = {
            self.values.secrets.existing_secret: "secrets.existingSecret",
            self.values.database.existing_secret: "database.existingSecret",
        }
        asked: dict[tuple[str, str], set[str]] = {}
        for namespace, pod in self._pods():
            for reference in _references(pod):
                if reference["name"] in named:
                    asked.setdefault((namespace, reference["name"]), set()).add(reference["key"])
        found = [WantedSecret(*place, tuple(sorted(keys)), named[place[1]]) for place, keys in asked.items()]
        tls = self.values.ingress.tls
        # cert-manager makes the Secret by itself, once the Ingress is there.
        made_later = any(key.startswith("cert-manager.io/") for key in self.values.ingress.annotations)
        if self.values.ingress.enabled and tls.enabled and tls.secret_name and not made_later:
            found.append(WantedSecret(self.namespace, tls.secret_name, ("tls.crt", "tls.key"), "ingress.tls.secretName"))
        return tuple(found)

    @property
    def pull_secrets(self) -> tuple[WantedSecret, ...]:
        """The Secrets with which nodes pull images, in each namespace."""
        names = self.values.images.pull_secrets
        return tuple(WantedSecret(space, name, (".dockerconfigjson",), "images.pullSecrets") for space in self.namespaces for name in names)

    def _pods(self) -> Iterator[tuple[str, Manifest]]:
        for each in self.manifests:
            if each["kind"] in _POD_KINDS:
                yield each["metadata"]["namespace"], each["spec"]["template"]["spec"]


def component(manifest: Manifest) -> str:
    """Return which part of the platform an object belongs to."""
    return str(manifest["metadata"]["labels"]["app.kubernetes.io/component"])


def _references(pod: Manifest) -> Iterator[Manifest]:
    for container in (*pod.get("initContainers", ()), *pod["containers"]):
        for variable in container.get("env", ()):
            reference = variable.get("valueFrom", {}).get("secretKeyRef")
            if reference:
                yield reference
