"""The configuration of a hub in a pod: what the environment must say, and what is never in the settings."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from bowerbird_config.image_parts import IMAGE_PARTS
from bowerbird_config.paths import Var
from bowerbird_config.platform import Platform
from bowerbird_config.problems import ConfigError
from bowerbird_hub import configure
from bowerbird_hub.chart.make_secrets import KEYS
from bowerbird_hub.deployments.cluster import Deployment, NotConfigured, Secrets, settings
from bowerbird_hub.origins import Origins
from traitlets.config import Config

from tests.support.platforms import described

PODS = """
namespace: users
hub_url: http://hub.science:8081
driver: science.csi.bowerbird
images: {lab: base:1}
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """What the chart puts there."""
    pods, platform = tmp_path / "pods.yaml", tmp_path / "platform.yaml"
    pods.write_text(PODS)
    platform.write_text(json.dumps(described()))
    secrets = {f"BOWERBIRD_SECRET_{key.upper().replace('-', '_')}": f"{number}" * 64 for number, key in enumerate(KEYS, 1)}
    return {
        "BOWERBIRD_VAR": str(tmp_path / "var"),
        "BOWERBIRD_PLATFORM": str(platform),
        "BOWERBIRD_PODS": str(pods),
        "BOWERBIRD_PUBLIC_URL": "https://data.example.org/",
        "BOWERBIRD_HUB_PORT": "8081",
        "BOWERBIRD_PROXY_API_URL": "http://proxy-api:8001",
        "BOWERBIRD_SERVICES_URL": "http://services:8080",
        "BOWERBIRD_IMAGE_PARTS_URL": "http://services:8084",
        "BOWERBIRD_NODE_DOOR_PORT": "8083",
        "BOWERBIRD_NODE_ACCOUNT": "data/data",
        "BOWERBIRD_SERVICES_ACCOUNT": "hub/services",
        "KUBERNETES_SERVICE_HOST": "10.43.0.1",
        "KUBERNETES_SERVICE_PORT": "443",
        **secrets,
    }


def configured(environment: Mapping[str, str], **parts: Any) -> dict[str, dict[str, Any]]:
    return settings(Platform.model_validate(described(**parts)), Deployment.of(environment))


def test_browsers_pods_and_proxy_each_know_the_hub_by_its_own_address(environment: dict[str, str]) -> None:
    found = configured(environment)
    hub, proxy = found["JupyterHub"], found["ConfigurableHTTPProxy"]
    assert hub["bind_url"] == "https://data.example.org/"
    assert hub["subdomain_host"] == "https://data.example.org"
    assert hub["hub_bind_url"] == "http://:8081"
    assert hub["hub_connect_url"] == "http://hub.science:8081"
    assert hub["cookie_host_prefix_enabled"] is True
    assert proxy == {
        "should_start": False,
        "api_url": "http://proxy-api:8001",
        "extra_routes": {
            "data.example.org/services/vo/": "http://services:8080",
            **{f"data.example.org/services/vo/{part}/": "http://services:8084" for part in IMAGE_PARTS},
        },
    }


def test_demo_cas_server_is_below_the_platforms_own_name(environment: dict[str, str]) -> None:
    demo = {"BOWERBIRD_DEMO_CAS_URL": "http://demo-cas:8082", "BOWERBIRD_CAS_PORT": "8082"}
    assert configured(environment | demo)["ConfigurableHTTPProxy"]["extra_routes"]["data.example.org/cas/"] == "http://demo-cas:8082"


def test_services_are_started_by_the_chart_and_known_by_tokens_of_its_secret(environment: dict[str, str]) -> None:
    services = configured(environment, limits={"idle": None})["JupyterHub"]["services"]
    assert [(each["name"], each.get("command")) for each in services] == [("idle-culler", None), ("prometheus", None), ("vo", None)]
    assert dict(Secrets.of(environment).tokens) == {"idle-culler": "4" * 64, "prometheus": "6" * 64, "vo": "5" * 64}


def test_no_secret_is_in_settings_or_shown(environment: dict[str, str]) -> None:
    environment["BOWERBIRD_DATABASE_URL"] = "postgresql://hub:very-secret@db/hub"
    shown = repr((configured(environment), Deployment.of(environment), Secrets.of(environment)))
    assert "very-secret" not in shown
    assert not [number for number in range(1, 6) if str(number) * 64 in shown]


def test_a_postgresql_is_reached_by_the_driver_that_we_bring(environment: dict[str, str]) -> None:
    environment["BOWERBIRD_DATABASE_URL"] = "postgresql://hub:a%2Fb@db:5433/hub?sslmode=require"
    assert Deployment.of(environment).database == "postgresql+psycopg://hub:a%2Fb@db:5433/hub?sslmode=require"


def test_an_address_of_no_postgresql_ends_the_hub_with_its_sentence(environment: dict[str, str]) -> None:
    environment["BOWERBIRD_DATABASE_URL"] = "mysql://hub:very-secret@db/hub"
    with pytest.raises(NotConfigured, match="the hub cannot start in a pod: BOWERBIRD_DATABASE_URL is not the address") as refused:
        Deployment.of(environment)
    assert "very-secret" not in str(refused.value)


def test_without_a_database_of_its_own_the_hub_has_a_file(environment: dict[str, str]) -> None:
    assert Deployment.of(environment).database == f"sqlite:///{Var(Path(environment['BOWERBIRD_VAR'])).database}"


@pytest.mark.parametrize(
    "name",
    [
        "BOWERBIRD_VAR",
        "BOWERBIRD_PLATFORM",
        "BOWERBIRD_PUBLIC_URL",
        "BOWERBIRD_HUB_PORT",
        "BOWERBIRD_PROXY_API_URL",
        "BOWERBIRD_SERVICES_URL",
        "BOWERBIRD_IMAGE_PARTS_URL",
        "BOWERBIRD_NODE_DOOR_PORT",
        "BOWERBIRD_SERVICES_ACCOUNT",
        "BOWERBIRD_SECRET_CRYPT_KEY",
        "KUBERNETES_SERVICE_HOST",
    ],
)
def test_what_the_environment_lacks_is_named(environment: dict[str, str], name: str) -> None:
    with pytest.raises(SystemExit, match=f"has no {name}"):
        configure.from_environment(Config(), {key: value for key, value in environment.items() if key != name})


def test_demo_cas_server_without_its_port_is_named(environment: dict[str, str]) -> None:
    with pytest.raises(NotConfigured, match="has no BOWERBIRD_CAS_PORT"):
        Deployment.of(environment | {"BOWERBIRD_DEMO_CAS_URL": "http://demo-cas:8082"})


@pytest.mark.parametrize("text", ["short", "7" * 62, "g" * 64])
def test_key_of_another_form_is_refused_without_being_shown(environment: dict[str, str], text: str) -> None:
    with pytest.raises(NotConfigured, match="crypt-key of the platform's Secret is not 32 bytes in hexadecimal digits") as refused:
        Secrets.of(environment | {"BOWERBIRD_SECRET_CRYPT_KEY": text})
    assert text not in str(refused.value)


def test_port_that_is_none_is_named(environment: dict[str, str]) -> None:
    with pytest.raises(NotConfigured, match=r"BOWERBIRD_HUB_PORT is 'tcp://10\.43\.0\.7:8081', and is to be a port"):
        Deployment.of(environment | {"BOWERBIRD_HUB_PORT": "tcp://10.43.0.7:8081"})


def test_public_address_that_is_none_is_named(environment: dict[str, str]) -> None:
    for wrong in ("data.example.org", "ftp://data.example.org/", "https://"):
        with pytest.raises(NotConfigured, match="BOWERBIRD_PUBLIC_URL"):
            Deployment.of(environment | {"BOWERBIRD_PUBLIC_URL": wrong})


def test_wrong_file_of_pods_is_named_with_its_line(environment: dict[str, str]) -> None:
    Path(environment["BOWERBIRD_PODS"]).write_text(PODS + "scratch: much\n")
    with pytest.raises(ConfigError, match=r"pods.yaml:6: scratch"):
        Deployment.of(environment)


def test_origins_of_an_address_are_those_of_its_host() -> None:
    assert Origins.at("http://localhost:8000/") == Origins("http", "localhost", 8000)
    assert Origins.at("https://data.example.org").home == "https://data.example.org/"
