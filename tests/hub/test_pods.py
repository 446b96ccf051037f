"""Pods: what identity, choice and cluster make of them, as golden files; and that Kubernetes would take them, also where it is strict."""

import copy
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from bowerbird_config.identity import IdentityRecord
from bowerbird_config.pod_settings import PodSettings
from bowerbird_config.profiles import Profile
from bowerbird_config.teams import Membership, Role
from bowerbird_hub import pods
from bowerbird_hub.profiles import Choice
from bowerbird_hub.runtimes import preconditions
from bowerbird_hub.runtimes.preconditions import NotReady
from hypothesis import given
from hypothesis import strategies as st
from kubespawner.slugs import is_valid_label, is_valid_object_name

from tests.support.pod_security import refusals

GOLDEN = Path(__file__).parents[1] / "data" / "pods"
KUBERNETES = "1.34"
NOW = datetime(2027, 3, 1, tzinfo=UTC)
TOKEN = "0123456789abcdef0123456789abcdef"
HUB = {
    "JUPYTERHUB_API_TOKEN": TOKEN,
    "JPY_API_TOKEN": TOKEN,
    "JUPYTERHUB_API_URL": "http://hub.bowerbird.svc:8081/hub/api",
    "JUPYTERHUB_PUBLIC_HUB_URL": "https://data.example.org/hub/",
    "JUPYTERHUB_SERVICE_URL": "http://0.0.0.0:8888/user/ann/",
    "PATH": "/usr/bin",
}
LEAST = PodSettings(
    namespace="bowerbird-users",
    hub_url="http://hub.bowerbird.svc:8081",
    driver="data.bowerbird.example.org",
    images={"lab": "registry.example.org/bowerbird/base:0.1.0", "eso": "registry.example.org/bowerbird/eso:0.1.0"},
)
FULL = LEAST.model_validate(
    {
        **LEAST.model_dump(),
        "release": "survey",
        "domain": "data.example.org",
        "pull_policy": "Always",
        "pull_secrets": ["registry"],
        "service_account": "server",
        "priority_class": "users",
        "requests": {"memory": 1, "cpu": 0.25},
        "scratch": "20 GiB",
        "labels": {"cost-centre": "4711"},
        "annotations": {"example.org/note": "kept"},
        "node_selector": {"users": "yes"},
        "tolerations": [{"key": "users"}],
        "profiles": {
            "reduction": {
                "node_selector": {"disk": "ssd"},
                "tolerations": [
                    {"key": "disk", "operator": "Equal", "value": "ssd", "effect": "NoSchedule"},
                    {"effect": "NoExecute", "seconds": 300},
                ],
                "requests": {"memory": 0.3, "cpu": 1},
            }
        },
    }
)
MINIMAL = Choice("minimal", Profile(title="Minimal", memory=1 << 30, cpu=0.5, teams="everyone"))
REDUCTION = Choice(
    "reduction",
    Profile(
        title="ESO reduction",
        environment="eso",
        memory=8 << 30,
        cpu=4,
        teams=("eso",),
        variables={"ESO_ANSWER": "42", "ODD": "$(HOME) costs $$5, 'and' \"more\": yes\n# no comment"},
    ),
)
ANN = IdentityRecord(1, "ann", 600_001, 600_002)
BOB = IdentityRecord(
    2,
    "bob.obrien@example.org",
    600_003,
    600_004,
    (
        Membership("eso", Role.MEMBER),
        Membership("craft", Role.OWNER),
        Membership("aat", Role.GUEST, NOW - timedelta(days=1)),
    ),
    {"eso": 700_002, "craft": 700_001, "aat": 700_003},
)
TEAM = IdentityRecord(3, "team-eso", 600_005, 600_006, (Membership("eso", Role.MEMBER),), {"eso": 700_002})
CASES: Mapping[str, tuple[IdentityRecord, Choice, str, PodSettings]] = {
    "least": (ANN, MINIMAL, "", LEAST),
    "named-server-of-two-teams": (BOB, REDUCTION, "second", FULL),
    "server-of-a-team": (TEAM, REDUCTION, "", LEAST),
    "profile-without-settings-of-its-own": (ANN, MINIMAL, "", FULL),
}


def order(record: IdentityRecord, choice: Choice = MINIMAL, server: str = "") -> pods.Order:
    return pods.Order(record, choice, server, HUB, NOW)


def manifest(case: str) -> dict[str, Any]:
    record, choice, server, settings = CASES[case]
    return pods.pod(order(record, choice, server), settings)


@pytest.fixture(params=CASES)
def pod(request: pytest.FixtureRequest) -> dict[str, Any]:
    return manifest(request.param)


@pytest.mark.parametrize("case", CASES)
def test_pod_is_that_of_the_golden_file(case: str, pytestconfig: pytest.Config) -> None:
    file = GOLDEN / f"{case}.yaml"
    found = yaml.safe_dump(manifest(case), sort_keys=False, width=140)
    if pytestconfig.getoption("--update-data"):
        file.write_text(found)
    assert found == file.read_text()


def test_kubernetes_knows_every_key(pod: dict[str, Any]) -> None:
    kubernetes_validate.validate(pod, KUBERNETES, strict=True)


def test_pod_security_restricted_refuses_nothing(pod: dict[str, Any]) -> None:
    assert refusals(pod) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"spec": {"hostNetwork": True}}, "hostNetwork"),
        ({"spec": {"volumes": [{"name": "root", "hostPath": {"path": "/"}}]}}, "volume root is a hostPath"),
        ({"spec": {"securityContext": {"runAsUser": 0}}}, "the pod runs as root"),
        ({"spec": {"securityContext": {"seccompProfile": {"type": "Unconfined"}}}}, "notebook: no seccomp profile"),
        ({"spec": {"securityContext": {"runAsNonRoot": None}}}, "notebook: it may run as root"),
        ({"container": {"securityContext": {"privileged": True}}}, "notebook: privileged"),
        ({"container": {"securityContext": {"allowPrivilegeEscalation": True}}}, "notebook: privileges may grow"),
        ({"container": {"securityContext": {"capabilities": {"drop": []}}}}, "notebook: capabilities"),
        ({"container": {"securityContext": {"capabilities": {"drop": ["ALL"], "add": ["SYS_ADMIN"]}}}}, "notebook: capabilities"),
        ({"container": {"ports": [{"hostPort": 80}]}}, "notebook: a port of the node"),
    ],
)
def test_the_check_of_pod_security_sees_what_is_wrong(change: dict[str, Any], words: str) -> None:
    wrong = copy.deepcopy(manifest("least"))
    _merge(wrong["spec"], change.get("spec", {}))
    _merge(wrong["spec"]["containers"][0], change.get("container", {}))
    assert words in refusals(wrong)


def _merge(into: dict[str, Any], change: dict[str, Any]) -> None:
    for key, value in change.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value


def test_nothing_of_a_pod_is_secret(pod: dict[str, Any]) -> None:
    assert TOKEN not in json.dumps(pod)


def test_text_with_a_dollar_reaches_the_server_as_it_is(pod: dict[str, Any]) -> None:
    told = {entry["name"]: _expanded(entry["value"]) for entry in pod["spec"]["containers"][0]["env"]}
    for name, value in REDUCTION.profile.variables.items():
        assert told.get(name) in (None, value)
    assert told["HOME"].startswith("/home/")


def _expanded(text: str) -> str:
    """Return what Kubernetes makes of a value: `$$` is `$`, and no reference to a variable is left to it."""
    parts = text.split("$$")
    assert not any("$(" in part for part in parts)
    return "$".join(parts)


def test_order_does_not_show_its_secrets() -> None:
    assert TOKEN not in repr(order(ANN))


def test_environment_is_that_of_every_runtime_but_for_the_token() -> None:
    told = pods.environment(order(ANN, REDUCTION), LEAST)
    assert {name for name in told if name.startswith("BOWERBIRD_")} == {
        f"BOWERBIRD_{name}" for name in ("DATA", "NEWS", "PROFILE", "SERVER", "TAP_URL", "TOKEN_FILE")
    }
    assert told["HOME"] == "/home/ann"
    assert told["MEM_LIMIT"] == str(8 << 30)
    assert told["ESO_ANSWER"] == "42"
    assert "JUPYTERHUB_API_URL" in told
    assert told["PYTHONPATH"] == "/home/ann/.local/environments/eso/lib/python3.11/site-packages"
    assert told["PATH"].endswith("/opt/bowerbird/bin:/usr/local/bin:/usr/bin:/bin")


def test_accounts_of_the_volume_name_the_user_at_their_home() -> None:
    told = pods.accounts(BOB, [ANN, TEAM], NOW)
    assert f"{BOB.name}:x:600003:600004:{BOB.name}:/home/{BOB.name}:/bin/bash" in told["passwd"].splitlines()
    assert f"eso:x:700002:{BOB.name},team-eso" in told["group"].splitlines()


def test_environment_without_an_image_makes_no_pod() -> None:
    choice = Choice("odd", Profile(title="Odd", environment="gone", memory=1 << 30, cpu=1, teams="everyone"))
    with pytest.raises(KeyError):
        pods.pod(order(ANN, choice), LEAST)
    with pytest.raises(NotReady, match="The environment 'gone' of this profile is not installed on this cluster"):
        preconditions.image(LEAST.images, "gone")
    preconditions.image(LEAST.images, "lab")


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"A": "x" * (128 << 10)}, "The variable A of profile big takes 129 KiB, and 128 KiB is the most"),
        ({f"A{n}": "é" * 50_000 for n in range(3)}, "The variables of profile big take 293 KiB, and 256 KiB is the most"),
    ],
)
def test_too_large_an_environment_is_refused_in_plain_words(told: dict[str, str], words: str) -> None:
    with pytest.raises(NotReady) as refusal:
        preconditions.variables(told, "big")
    assert words in str(refusal.value)


def test_largest_environment_is_taken() -> None:
    preconditions.variables({"A": "x" * ((128 << 10) - 3), "B": "x" * ((128 << 10) - 3)}, "big")
    preconditions.variables({}, "empty")


NAMES = st.one_of(st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,63}", fullmatch=True), st.text(min_size=1, max_size=80))


@given(NAMES, st.one_of(st.just(""), NAMES))
def test_every_name_makes_valid_names_and_labels(owner: str, server: str) -> None:
    assert is_valid_object_name(pods.pod_name(owner, server))
    choice = Choice(server or "x", MINIMAL.profile)
    made = pods.pod(order(IdentityRecord(1, owner, 600_001, 600_001), choice, server), LEAST)
    assert all(is_valid_label(value) for value in made["metadata"]["labels"].values())
    assert is_valid_object_name(made["spec"]["hostname"])


@given(st.lists(st.tuples(NAMES, st.one_of(st.just(""), NAMES)), unique=True, min_size=2, max_size=20))
def test_no_two_servers_share_a_name(servers: list[tuple[str, str]]) -> None:
    assert len({pods.pod_name(*server) for server in servers}) == len(servers)


def test_names_that_only_look_alike_differ() -> None:
    alike = [("a", "b-c"), ("a-b", "c"), ("a--b", "c"), ("a", "b--c"), ("a.b", "c"), ("a_b", "c"), ("a--b--c", ""), ("a", "")]
    assert len({pods.pod_name(*names) for names in alike}) == len(alike)


@pytest.mark.parametrize(("size", "written"), [(1 << 30, "1Gi"), (320 << 20, "320Mi"), (1000, "1000"), ((1 << 30) + 1, str((1 << 30) + 1))])
def test_sizes_are_written_as_kubernetes_writes_them(size: int, written: str) -> None:
    assert pods.quantity(size) == written
