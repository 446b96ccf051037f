"""The chart's hub on a volume that `restore --cluster` has laid out, and on one that has an upgrade's copy: the same people and tokens."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest
import yaml
from bowerbird_config.paths import Var
from bowerbird_hub import pods
from bowerbird_hub.chart.upgrade_database import back_up

from tests.hub.test_chart_hub import URL, Release, cluster
from tests.support.chart_pods import ChartPods
from tests.support.charts import objects
from tests.support.cluster.machine import run
from tests.support.moved import Machine, laid_out, lived_in, numbers, put_copy
from tests.support.names import person_client
from tests.support.own_network import own_network

pytestmark = [pytest.mark.root, pytest.mark.timeout(180)]


def _signs_in() -> bool:
    with suppress(httpx.HTTPError):
        return httpx.get(f"{URL}cas/login").status_code == httpx.codes.OK
    return False


def volume(running: ChartPods) -> Path:
    return running.volume("bowerbird-hub", "state")


@contextmanager
def started(directory: Path, files: Path, secret: Path) -> Iterator[Release]:
    """Start hub, demo CAS server and proxy in a new directory, with a Secret, on a volume with these files."""
    directory.mkdir()
    told = {key: base64.b64decode(value).decode() for key, value in yaml.safe_load(secret.read_text())["data"].items()}
    with own_network(), cluster(directory) as (api, authority, loop):
        running = ChartPods(objects("trial"), directory, told, ("127.0.0.1", httpx.URL(api.url).port or 0, authority, "of-the-hub"))
        run("cp", "-a", f"{files}/.", f"{volume(running)}")
        found = Release(running, api, loop, directory / "plugin-token")
        try:
            running.start("bowerbird-hub", "demo-cas")
            running.start("bowerbird-proxy", "proxy")
            found.start_hub()
            running.until(_signs_in)
            yield found
        finally:
            running.end_all()


def same(release: Release, machine: Machine) -> None:
    """Look that people are who they were, and that a token of before is still somebody's."""
    answer = httpx.get(f"{URL}hub/api/user", headers={"Authorization": f"token {machine.token}"})
    assert answer.json()["name"] == "researcher"
    ids = machine.numbers()
    with person_client(URL) as client:
        person = release.sign_in("researcher", client)
        person.start("minimal")
        context = release.api.pods[pods.pod_name("researcher")]["spec"]["securityContext"]
        person.stop()
    assert (context["runAsUser"], context["supplementalGroups"]) == (ids["user researcher"], [ids["team craft"]])
    assert numbers(Var(volume(release.pods)).database) == ids


def test_people_are_the_same_on_the_volume_that_is_moved_and_on_one_with_an_upgrades_copy_alone(tmp_path: Path) -> None:
    machine = lived_in(tmp_path)
    moved = laid_out(machine, tmp_path, "bowerbird")
    with started(tmp_path / "first", moved / "hub", moved / "secret.yaml") as release:
        same(release, machine)
        # As the job of an upgrade does, while the hub runs.
        copy = back_up(Var(volume(release.pods)), 2, kept=5)
    assert copy is not None
    (tmp_path / "copied").mkdir()
    put_copy(copy, tmp_path / "copied")
    with started(tmp_path / "second", tmp_path / "copied", moved / "secret.yaml") as release:
        same(release, machine)
