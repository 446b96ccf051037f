"""The chart as Helm renders it, for tests: its objects, and the three examples."""

import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from bowerbird_config.chart.helm import by_library
from bowerbird_config.chart.values_file import read_values

ROOT = Path(__file__).parents[2]
CHART = ROOT / "helm" / "bowerbird"
EXAMPLES = ("trial", "one-node", "production")

Manifest = dict[str, Any]
_POD_KINDS = {"Deployment", "DaemonSet", "Job"}


@cache
def _values(name: str) -> Manifest:
    return read_values(CHART / "examples" / f"{name}.yaml")[1]


def example(name: str) -> Manifest:
    """Return the values of an example, to be changed at will."""
    return deepcopy(_values(name))


def rendered(values: Mapping[str, Any], release: str = "bowerbird", namespace: str = "bowerbird", **more: Any) -> list[Manifest]:
    """Return every object of a release, hooks among them, in the order of their names."""
    texts = by_library(CHART, values, release, namespace, **more)
    found = [each for text in texts.values() for each in yaml.safe_load_all(text) if each]
    return sorted(found, key=identity)


@cache
def _objects(name: str, release: str, namespace: str) -> tuple[Manifest, ...]:
    return tuple(rendered(_values(name), release, namespace))


def objects(name: str, release: str = "bowerbird", namespace: str = "bowerbird") -> list[Manifest]:
    """Return the objects of an example."""
    return deepcopy(list(_objects(name, release, namespace)))


def identity(manifest: Manifest) -> tuple[str, str, str]:
    """Return what tells an object from every other in a cluster: kind, namespace and name."""
    return manifest["kind"], manifest["metadata"].get("namespace", ""), manifest["metadata"]["name"]


def named(manifests: list[Manifest], kind: str, name: str) -> Manifest:
    """Return the one object of that kind and name."""
    (found,) = (each for each in manifests if each["kind"] == kind and each["metadata"]["name"] == name)
    return found


def alert_metrics() -> set[str]:
    """Return the names of the metrics that the chart's alerts look at."""
    (rules,) = (each for each in objects("production") if each["kind"] == "PrometheusRule")
    expressions = [rule["expr"] for group in rules["spec"]["groups"] for rule in group["rules"]]
    return {name for expression in expressions for name in re.findall(r"\b([a-z_]+(?:_[a-z]+)+)(?=[{ ]|$)", expression)}


def alert_selectors() -> Iterator[tuple[str, set[str]]]:
    """Yield each series that an alert selects: the name of the metric, and those of the labels."""
    (rules,) = (each for each in objects("production") if each["kind"] == "PrometheusRule")
    for rule in (rule for group in rules["spec"]["groups"] for rule in group["rules"]):
        for name, labels in re.findall(r"\b([a-z_]+)\{([^}]*)\}", rule["expr"]):
            yield name, set(re.findall(r"([a-z_]+)(?:=~|!~|!=|=)\"", labels))


def pods(manifests: list[Manifest]) -> Iterator[tuple[str, str, Manifest]]:
    """Yield namespace, name and pod template of everything that makes pods."""
    for each in manifests:
        if each["kind"] in _POD_KINDS:
            yield each["metadata"]["namespace"], each["metadata"]["name"], each["spec"]["template"]


def containers(template: Manifest) -> list[Manifest]:
    """Return all containers of a pod template."""
    return [*template["spec"].get("initContainers", []), *template["spec"]["containers"]]
