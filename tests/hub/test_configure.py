"""The hub's configuration: the whole of it against a golden file, and what must never be in it."""

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from bowerbird_config.image_parts import IMAGE_PARTS
from bowerbird_config.install import Install
from bowerbird_config.paths import Var
from bowerbird_config.platform import Platform
from bowerbird_hub.deployments.machine import Deployment, settings
from bowerbird_hub.supervision.ports import Ports

from tests.support.platforms import described

GOLDEN = Path(__file__).parents[1] / "data" / "hub" / "settings.json"
PORTS = Ports(public=8000, hub=8001, proxy_api=8002, cas=8003, services=8004, images=8005)
DEMO = {"demo": {"accounts": {"researcher": {"title": "A researcher"}}}}


def deployment(as_root: bool = True) -> Deployment:
    return Deployment(Install(Path("/checkout of it")), Var(Path("/state of it")), PORTS, as_root)


def configured(as_root: bool = True, **parts: Any) -> dict[str, dict[str, Any]]:
    return settings(Platform.model_validate(described(**parts)), deployment(as_root))


def shown(found: dict[str, dict[str, Any]]) -> str:
    """Return settings as the golden file holds them: each command one line, our own code's place left out."""
    for service in found["JupyterHub"]["services"]:
        service["command"] = shlex.join(service["command"])
    code = str(Path(__file__).parents[2] / "hub")
    return json.dumps(found, indent=1, sort_keys=True).replace(code, "/code of it") + "\n"


def test_settings_are_those_of_the_golden_file(pytestconfig: pytest.Config) -> None:
    found = shown(configured(sign_on=DEMO))
    if pytestconfig.getoption("--update-data"):
        GOLDEN.write_text(found)
    assert found == GOLDEN.read_text()


def test_platform_without_demo_and_idle_limit_runs_the_tables_service_alone() -> None:
    found = configured(limits={"idle": None})["JupyterHub"]
    assert [service["name"] for service in found["services"]] == ["vo"]
    assert [role["name"] for role in found["load_roles"]] == ["user", "server"]


def test_services_are_found_under_the_hubs_own_name_and_images_at_a_port_of_their_own() -> None:
    images = dict.fromkeys((f"localhost/services/vo/{part}/" for part in IMAGE_PARTS), "http://127.0.0.1:8005")
    assert configured()["ConfigurableHTTPProxy"]["extra_routes"] == {"localhost/services/vo/": "http://127.0.0.1:8004", **images}


def test_every_service_of_root_is_given_up_to_another_uid_and_ends_with_the_hub() -> None:
    services = configured(sign_on=DEMO)["JupyterHub"]["services"]
    uids = [service["command"][service["command"].index("--reuid") + 1] for service in services]
    assert len(uids) == len(set(uids)) == 3
    assert "0" not in uids
    assert all("--die-with-parent" in service["command"] for service in services)


def test_without_root_services_run_as_we_do() -> None:
    services = configured(as_root=False, sign_on=DEMO)["JupyterHub"]["services"]
    assert all(service["command"][0].endswith("/bin/python") for service in services)


def test_idle_limit_is_what_the_culler_is_told() -> None:
    culler, _ = configured(limits={"idle": "30 min"})["JupyterHub"]["services"]
    assert "--timeout=1800" in culler["command"]


@pytest.mark.parametrize("tls", [None, {"certificate": "/c", "key": "/k"}])
def test_cookies_have_the_prefix_that_keeps_other_hosts_out_where_browsers_take_it(tls: dict[str, str] | None) -> None:
    found = configured(runtime={"tls": tls})["JupyterHub"]
    assert found["cookie_host_prefix_enabled"] is (tls is not None)
    assert found["tornado_settings"]["domain"] == ""
