"""`bowerbird check --cluster` asks a real Kubernetes what it lacks of what some values need."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from bowerbird_config.cli import cli
from click.testing import CliRunner, Result

from tests.support.cluster.cluster import Cluster
from tests.support.cluster.release import values_for_tests

pytestmark = pytest.mark.cluster


def check(cluster: Cluster, folder: Path, values: Mapping[str, Any]) -> Result:
    """Ask it as an administrator does before the first install."""
    file = folder / "values.yaml"
    file.write_text(yaml.safe_dump(dict(values)))
    where = ["-f", str(file), "--release", "checked", "-n", "checked", "--kubeconfig", str(cluster.kubeconfig)]
    return CliRunner().invoke(cli, ["check", "--cluster", *where])


def standing(cluster: Cluster) -> set[tuple[str, str]]:
    """Return what an install makes beside namespaced objects, but for what a test before is having deleted."""
    found = json.loads(cluster.kubectl("get", "namespaces,csidrivers,clusterroles", "-o", "json"))["items"]
    return {(each["kind"], each["metadata"]["name"]) for each in found if "deletionTimestamp" not in each["metadata"]}


def test_a_cluster_that_has_all_lacks_nothing_and_is_not_changed(cluster: Cluster, tmp_path: Path):
    before = standing(cluster)
    result = check(cluster, tmp_path, values_for_tests())
    assert result.exit_code == 0, result.output
    assert standing(cluster) == before


def test_what_a_cluster_lacks_is_said_in_a_sentence_each(cluster: Cluster, tmp_path: Path):
    values = values_for_tests()
    values["hub"] = {"volume": {"storageClass": "fast"}}
    values["database"] = {"existingSecret": "of-the-database"}
    values["ingress"] = {"enabled": True, "host": "data.example.org", "className": "traefik", "tls": {"secretName": "of-tls"}}
    result = check(cluster, tmp_path, values)
    assert result.exit_code == 1, result.output
    for lacking in ("storage class 'fast'", "of-the-database", "of-tls", "no ingress class"):
        assert [line for line in result.output.splitlines() if lacking in line], (lacking, result.output)
