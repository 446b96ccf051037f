"""Who may speak with whom: the chart denies all, and opens what is named here."""

from ipaddress import ip_network
from typing import Annotated

from pydantic import AfterValidator, Field

from bowerbird_config.chart.base import HelmModel, Named
from bowerbird_config.kubernetes import Labels
from bowerbird_config.model import FrozenDict


def _network(text: str) -> str:
    try:
        return str(ip_network(text))
    except ValueError:
        raise ValueError(f"{text!r} is not a network; write it like 10.43.0.0/16 or fd00::/8, with no bit set behind its length") from None


Network = Annotated[str, AfterValidator(_network)]


class UserNetwork(HelmModel):
    """What user pods reach beside the platform itself."""

    internet: bool = Field(default=True, description="whether they reach public addresses")
    networks: tuple[Network, ...] = Field((), description="private networks that they reach too, such as an archive's")


class NetworkPolicy(HelmModel):
    """NetworkPolicies. They hold only where the cluster's network enforces them, as k3s's does."""

    enabled: bool = True
    ingress_namespace: Named = Field("kube-system", description="where the Ingress controller runs")
    ingress_pods: Labels = Field(
        FrozenDict({"app.kubernetes.io/name": "traefik"}), description="the labels of its pods, which user pods reach"
    )
    dns_namespace: Named = Field("kube-system", description="where the cluster's DNS runs")
    closed: tuple[Network, ...] = Field(
        ("169.254.0.0/16", "100.100.100.200/32", "fd00:ec2::254/128"),
        description="where clouds tell machines their secrets: no pod reaches these",
    )
    users: UserNetwork = UserNetwork()
