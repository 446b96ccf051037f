"""The ports of one platform: the public one as asked for, the inner ones wherever there is room."""

import random
import socket
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Final, Self

from bowerbird_config.paths import Var
from bowerbird_hub.state.state_files import read_json, write_json

_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_KEPT_BELOW = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
_LOWEST = 10_240
_LOOPBACK = "127.0.0.1"
_VARIABLES: Final = {
    "public": "BOWERBIRD_PORT",
    "hub": "BOWERBIRD_HUB_PORT",
    "proxy_api": "BOWERBIRD_PROXY_API_PORT",
    "cas": "BOWERBIRD_CAS_PORT",
    "services": "BOWERBIRD_SERVICES_PORT",
    "images": "BOWERBIRD_IMAGES_PORT",
}


@dataclass(frozen=True, slots=True)
class Ports:
    """What the parts of one platform listen on."""

    public: int
    hub: int
    proxy_api: int
    cas: int
    services: int
    # What is asked of images.
    images: int

    def environment(self) -> dict[str, str]:
        """Return the ports as the parts read them."""
        return {variable: str(getattr(self, name)) for name, variable in _VARIABLES.items()}

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """Return the ports that an environment tells."""
        return cls(**{name: int(environment[variable]) for name, variable in _VARIABLES.items()})


class NoFreePort(Exception):
    """No port could be found to listen on."""


def read(var: Var, otherwise: Ports | None = None) -> Ports | None:
    """Return the ports of the platform that runs, or that was killed; for a part that it did not have yet, the port of `otherwise`."""
    known = read_json(_note(var))
    try:
        return Ports(**{**(asdict(otherwise) if otherwise else {}), **known}) if known else None
    except TypeError:
        return None


def write(var: Var, ports: Ports) -> None:
    """Keep the ports until the platform has ended."""
    write_json(_note(var), asdict(ports))


def _note(var: Var) -> Path:
    return var.run / "ports.json"


def is_free(address: str, port: int) -> bool:
    """Tell whether somebody could listen there now."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        # As servers do: connections that are only winding down take no port away.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def is_kept_for_root(port: int) -> bool:
    """Tell whether this machine lets only root, or who has that one capability, listen at the port, on IPv4 and IPv6 alike."""
    return port < int(_KEPT_BELOW.read_text())


def _candidates() -> Iterator[int]:
    # Below the range that the kernel takes for outgoing connections, so that none of those is there when the part starts.
    highest = int(_RANGE.read_text().split()[0])
    for _ in range(1000):
        yield random.randrange(_LOWEST, max(highest, _LOWEST + 1))  # noqa: S311  a port is no secret


def choose(address: str, wanted: int) -> Ports:
    """Return the wanted public port where it is free, else another; the inner ones are any that are free."""
    taken: list[int] = []
    if wanted and is_free(address, wanted):
        taken.append(wanted)
    for port in _candidates():
        if len(taken) == len(fields(Ports)):
            return Ports(*taken)
        if port not in taken and is_free(address, port) and is_free(_LOOPBACK, port):
            taken.append(port)
    raise NoFreePort(f"no free port was found on {address}; end what listens there, or give --port")
