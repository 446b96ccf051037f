"""One platform text for both: servers as processes of one machine and as pods; `runtime:` and `storage:` alone differ."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from bowerbird_config.chart.values_file import load_values, values_text
from bowerbird_config.load import load
from bowerbird_config.paths import Var
from bowerbird_config.platform import Platform
from bowerbird_hub import pods

from tests.hub.runtime_contract import told_by
from tests.hub.test_kubernetes_spawner import POD, Cluster, cluster, runs_at
from tests.support.hub import PLATFORM, RunningHub, running_hub

__all__ = ["cluster"]  # the fixture, which this module asks for by its name

TEXT = "".join(line for line in PLATFORM.splitlines(keepends=True) if "absent" not in line)
HAS = """
ingress: {host: data.example.org}
data: {storage: {hostPath: /srv/bowerbird}}
users: {images: {lab: "bowerbird/base:0.1.0"}}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "platform.yaml"
    path.write_text(TEXT)
    return path


def on_cluster(file: Path) -> Platform:
    """Return the platform as a cluster gets it: by the values that `render --values` prints."""
    values, has = file.with_name("values.yaml"), file.with_name("cluster.yaml")
    values.write_text(values_text(file))
    has.write_text(HAS)
    return load_values(values, has).platform


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[RunningHub]:
    with running_hub(Var(tmp_path / "var"), TEXT) as hub:
        yield hub


def test_a_cluster_gets_all_of_the_text_but_what_is_of_one_machine(file: Path) -> None:
    here, there = load(file).model_dump(mode="json"), on_cluster(file).model_dump(mode="json")
    assert {key for key in here if here[key] != there[key]} <= {"runtime", "storage"}
    assert there["runtime"]["kind"] == "kubernetes"


@pytest.mark.root
@pytest.mark.timeout(180)
def test_a_machine_starts_the_text(machine: RunningHub) -> None:
    person = machine.sign_in("researcher")
    person.start("reduction")
    assert told_by(person, "import os; answer = [os.environ['ESO_ANSWER'], os.environ['MEM_LIMIT']]") == ["42", str(2 << 30)]
    person.stop("")
    person.client.close()


@pytest.mark.asyncio
async def test_a_cluster_starts_the_same_text(cluster: Cluster, file: Path) -> None:
    spawner = cluster.spawner
    live: Any = SimpleNamespace(platform=on_cluster(file), identities=spawner.live.identities)
    spawner.live = live
    cluster.api.kubelet = runs_at(cluster.address)
    await cluster.start("reduction")
    (container,) = cluster.api.pods[POD]["spec"]["containers"]
    told = {each["name"]: each["value"] for each in container["env"]}
    assert (told["ESO_ANSWER"], told["MEM_LIMIT"]) == ("42", str(2 << 30))
    assert container["resources"]["limits"] == {"memory": pods.quantity(2 << 30), "cpu": "2000m"}
