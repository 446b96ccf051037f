"""The chart's values: the platform file under `platform:`, beside what only a cluster has. Its own keys are Helm's, in camelCase."""

from collections.abc import Iterator
from contextlib import suppress
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, Self

from pydantic import ConfigDict, Field, model_validator

from bowerbird_config.chart.base import HelmModel
from bowerbird_config.chart.images import Images
from bowerbird_config.chart.network import NetworkPolicy
from bowerbird_config.chart.parts import Culler, Data, Database, DemoCas, Hub, Ingress, Monitoring, PrePull, Proxy, Secrets, Services
from bowerbird_config.chart.users import Users
from bowerbird_config.crosschecks import mapping_at
from bowerbird_config.model import FrozenDict
from bowerbird_config.platform import KUBERNETES, Platform
from bowerbird_config.problems import Finding, choose_from
from bowerbird_config.profiles import Profile

_OURS: dict[str, Any] = {"properties": {"kind": {"const": KUBERNETES}}, "required": ["kind"]}


class Values(HelmModel):
    """All values of the chart."""

    model_config = ConfigDict(
        json_schema_extra={
            "allOf": [{"properties": {"platform": {"properties": {"runtime": _OURS}, "required": ["runtime"]}}}],
            "if": {"properties": {"platform": {"properties": {"sign_on": {"required": ["demo"]}}}}},
            "then": {"properties": {"demoCas": {"properties": {"enabled": {"const": True}}}}},
            "else": {"properties": {"demoCas": {"properties": {"enabled": {"const": False}}}}},
        }
    )

    platform: Platform = Field(description="the platform file, as 'bowerbird render --values' prints it")
    images: Images = Images()
    secrets: Secrets = Secrets()
    database: Database = Field(Database(), description="the hub's; SQLite on the hub's own volume where none is named")
    ingress: Ingress
    hub: Hub = Hub()
    proxy: Proxy = Proxy()
    services: Services = Services()
    demo_cas: DemoCas = DemoCas()
    culler: Culler = Culler()
    data: Data
    users: Users
    network_policy: NetworkPolicy = NetworkPolicy()
    pre_pull: PrePull = PrePull()
    monitoring: Monitoring = Monitoring()
    shared: dict[str, Any] = Field(default_factory=FrozenDict, alias="global", description="Helm's own; nothing of ours reads it")

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        # chart/values_file.py reports these with their lines; here they keep Values that were made otherwise just as right.
        wrong = [str(finding) for finding in misfits(self.model_dump(mode="json", by_alias=True))]
        if wrong:
            raise ValueError("\n".join(wrong))
        return self


def misfits(tree: Any) -> Iterator[Finding]:
    """Yield what is right by itself in the tree of a values file, of any shape, and does not fit the rest."""
    platform = mapping_at(tree, "platform")
    if platform and mapping_at(platform, "runtime").get("kind") != KUBERNETES:
        what = "platform.runtime is not a cluster's"
        yield Finding(("platform", "runtime"), what, f"write runtime: {{kind: {KUBERNETES}}}, as 'bowerbird render --values' does")
    yield from _demo(tree)
    yield from _pods(tree)
    yield from _closed_networks(tree)
    users, data = (mapping_at(tree, part).get("namespace") for part in ("users", "data"))
    if users and users == data:
        what = "user pods and the node plugin would share a namespace, which cannot be restricted and privileged at once"
        yield Finding(("users", "namespace"), what, "name two namespaces")


def _demo(tree: Any) -> Iterator[Finding]:
    demo = mapping_at(tree, "platform", "sign_on").get("demo") is not None
    asked = mapping_at(tree, "demoCas").get("enabled") is True
    if demo and not asked:
        what = "the platform has demo accounts, and the demo CAS server is not asked for"
        yield Finding(("platform", "sign_on", "demo"), what, "name a CAS server under sign_on.cas, or write demoCas: {enabled: true}")
    if asked and not demo:
        what = "the demo CAS server is asked for, and the platform has no demo accounts"
        yield Finding(("demoCas", "enabled"), what, "remove it, or add platform.sign_on.demo")


def _pods(tree: Any) -> Iterator[Finding]:
    profiles, images = mapping_at(tree, "platform", "profiles"), mapping_at(tree, "users", "images")
    for profile in profiles:
        name = mapping_at(profiles, profile).get("environment", Profile.model_fields["environment"].default)
        if images and isinstance(name, str) and name not in images:
            what = f"profile {profile!r} uses environment {name!r}, which has no image in users.images"
            yield Finding(("platform", "profiles", profile, "environment"), what, choose_from(name, images))
    for profile in mapping_at(tree, "users", "profiles"):
        if profiles and profile not in profiles:
            what = f"users.profiles names profile {profile!r}, which the platform does not have"
            yield Finding(("users", "profiles", profile), what, choose_from(profile, profiles))


def _closed_networks(tree: Any) -> Iterator[Finding]:
    policy = mapping_at(tree, "networkPolicy")
    closed = _networks(policy.get("closed", NetworkPolicy().closed))
    for number, network in _networks(mapping_at(policy, "users").get("networks", ())).items():
        if any(network.version == each.version and network.overlaps(each) for each in closed.values()):
            what = f"user pods would reach {network}, of which a part is in networkPolicy.closed"
            yield Finding(("networkPolicy", "users", "networks", number), what, "name the networks of your own machines, and no larger one")


def _networks(told: Any) -> dict[int, IPv4Network | IPv6Network]:
    found = {}
    for number, text in enumerate(told if isinstance(told, list | tuple) else ()):
        with suppress(ValueError):  # what is no network is said where it is read
            found[number] = ip_network(text)
    return found
