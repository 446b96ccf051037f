"""The networks of a cluster: one /16 that this machine does not know yet."""

import json
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

# The upper end of 10/8, where few begin to count.
CANDIDATES = tuple(IPv4Network(f"10.{second}.0.0/16") for second in range(255, 191, -1))


@dataclass(frozen=True, slots=True)
class Addresses:
    """Who has which address in a cluster's /16."""

    whole: IPv4Network

    @property
    def host(self) -> IPv4Address:
        """This machine, at the bridge."""
        return self.whole[1]

    @property
    def control_plane(self) -> IPv4Address:
        """The machine of the API server."""
        return self.whole[2]

    def node(self, number: int) -> IPv4Address:
        """Return the address of the nth node, from 1."""
        return self.whole[10 + number]

    def pods(self, number: int) -> IPv4Network:
        """Return the pods' range on the nth node, from 1."""
        return IPv4Network((self.whole[256 * number], 24))

    @property
    def all_pods(self) -> IPv4Network:
        """What holds every node's pods (and the machines, which does no harm)."""
        return next(self.whole.subnets(1))

    @property
    def services(self) -> IPv4Network:
        """The services' range: known to the nodes only."""
        return list(self.whole.subnets(1))[1]

    @property
    def dns(self) -> IPv4Address:
        """The cluster's DNS service."""
        return self.services[10]


def routed() -> list[IPv4Network]:
    """Return the networks that this machine has an address in or a route to, but for the way out."""
    said = subprocess.run(["ip", "-j", "-4", "route", "show", "table", "all"], capture_output=True, check=True, timeout=30).stdout
    named = [str(route["dst"]) for route in json.loads(said) if route["dst"] != "default"]
    return [IPv4Network(name, strict=False) for name in named]


def choose(taken: Iterable[IPv4Network]) -> Addresses:
    """Return addresses that nobody has; RuntimeError where all are taken."""
    known = [network for network in taken if network.prefixlen > 0]
    for candidate in CANDIDATES:
        if not any(candidate.overlaps(network) for network in known):
            return Addresses(candidate)
    raise RuntimeError("every network of 10.192.0.0 to 10.255.0.0 has a route on this machine already")
