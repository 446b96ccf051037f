"""What each part is started with."""

from dataclasses import replace
from pathlib import Path

import pytest
from bowerbird_config.install import Install
from bowerbird_config.paths import Var
from bowerbird_config.platform import Platform
from bowerbird_hub.supervision.parts import HOLDER, HUB, KEEPER, PROXY, Plan, parts_of
from bowerbird_hub.supervision.planning import environment_for_parts
from bowerbird_hub.supervision.ports import Ports

TOKEN = "a-token-that-nobody-may-see"
PLATFORM = {
    "bowerbird": 1,
    "name": "Test",
    "contact": "nobody",
    "sign_on": {"cas": {"url": "https://cas.example.org/cas"}, "allow_users": ["somebody"]},
    "profiles": {"small": {"title": "Small", "memory": "1 GiB", "cpu": 1, "teams": "everyone"}},
}


@pytest.fixture
def plan() -> Plan:
    return Plan(
        install=Install(Path("/srv/a checkout")),
        var=Var(Path("/srv/a var")),
        platform_file=Path("/etc/platform.yaml"),
        platform=Platform.model_validate(PLATFORM),
        ports=Ports(public=1001, hub=1002, proxy_api=1003, cas=1004, services=1005, images=1006),
        as_root=True,
        with_keeper=True,
        token=TOKEN,
        supervisor_token=TOKEN[::-1],
        environment={"PATH": "/usr/bin", "BOWERBIRD_SECRET_CAS_KEY": "hidden"},
    )


def test_parts_start_in_order_and_the_hub_waits_for_the_others(plan: Plan) -> None:
    parts = parts_of(plan)
    assert [part.name for part in parts] == [PROXY, HOLDER, KEEPER, HUB]
    assert parts[-1].after == (PROXY, KEEPER)


def test_without_mounts_there_is_no_keeper(plan: Plan) -> None:
    parts = parts_of(replace(plan, with_keeper=False))
    assert [part.name for part in parts] == [PROXY, HUB]
    assert parts[-1].after == (PROXY,)


def test_token_is_in_no_argv_and_only_in_the_proxys_environment(plan: Plan) -> None:
    proxy, _, keeper, hub = parts_of(plan)
    assert all(TOKEN not in word for part in parts_of(plan) for word in part.argv)
    assert proxy.environment["CONFIGPROXY_AUTH_TOKEN"] == TOKEN
    assert TOKEN not in {*keeper.environment.values(), *hub.environment.values()}
    assert all(TOKEN not in repr(part) for part in parts_of(plan))
    assert TOKEN not in repr(plan)


def test_platforms_secrets_reach_the_hub_alone(plan: Plan) -> None:
    proxy, holder, keeper, hub = parts_of(plan)
    assert hub.environment["BOWERBIRD_SECRET_CAS_KEY"] == "hidden"
    assert "hidden" not in {*proxy.environment.values(), *holder.environment.values(), *keeper.environment.values()}


def test_proxy_is_never_root_and_outlives_a_killed_supervisor(plan: Plan) -> None:
    proxy = parts_of(plan)[0]
    assert proxy.argv[0].endswith("bwrap")
    assert proxy.argv[proxy.argv.index("--reuid") + 1] != "0"
    assert "--die-with-parent" not in proxy.argv
    assert parts_of(replace(plan, as_root=False))[0].argv[0].endswith("node")


def test_proxy_shows_the_certificate_from_its_own_copies(plan: Plan) -> None:
    tls = {"certificate": "/etc/ssl/site.pem", "key": "/etc/ssl/site.key"}
    platform = Platform.model_validate({**PLATFORM, "runtime": {"tls": tls}})
    secured = replace(plan, platform=platform)
    argv = parts_of(secured)[0].argv
    assert argv[argv.index("--ssl-key") + 1] == "/srv/a var/run/tls/key.pem"
    assert "/etc/ssl/site.key" not in argv
    assert secured.url == "https://localhost:1001/"


@pytest.mark.parametrize(
    ("address", "door"),
    [("0.0.0.0", "127.0.0.1"), ("::", "::1"), ("::1", "::1"), ("192.0.2.7", "192.0.2.7")],  # noqa: S104  named, not bound
)
def test_the_proxy_is_asked_on_this_machine_whatever_its_name_leads_to(plan: Plan, address: str, door: str) -> None:
    runtime = plan.platform.runtime.model_copy(update={"address": address, "host": "data.example.org"})
    asked = replace(plan, platform=plan.platform.model_copy(update={"runtime": runtime}))
    assert (asked.url, asked.door) == ("http://data.example.org:1001/", door)


def test_proxy_goes_by_host_names_and_gives_the_hub_what_is_nobodys(plan: Plan) -> None:
    argv = parts_of(plan)[0].argv
    assert "--host-routing" in argv
    assert argv[argv.index("--default-target") + 1] == "http://127.0.0.1:1002/hub/elsewhere"


def test_fingerprint_tells_other_ports_and_files_but_not_other_shells(plan: Plan) -> None:
    hub = parts_of(plan)[-1]
    assert parts_of(replace(plan, platform_file=Path("/etc/other.yaml")))[-1].fingerprint != hub.fingerprint
    assert parts_of(replace(plan, ports=replace(plan.ports, hub=9)))[-1].fingerprint != hub.fingerprint
    assert parts_of(replace(plan, environment={"PATH": "/bin"}))[-1].fingerprint == hub.fingerprint


def test_settings_of_another_platform_are_not_passed_on() -> None:
    ours = {"PATH": "/usr/bin", "BOWERBIRD_VAR": "/other", "JUPYTERHUB_API_TOKEN": "x", "CONFIGPROXY_AUTH_TOKEN": "y"}
    assert environment_for_parts({**ours, "BOWERBIRD_SECRET_CAS_KEY": "z"}) == {"PATH": "/usr/bin", "BOWERBIRD_SECRET_CAS_KEY": "z"}
