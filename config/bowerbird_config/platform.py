"""The platform file: the one description of a deployment, as frozen types."""

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import PurePosixPath
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from bowerbird_config.collections import Collection
from bowerbird_config.crosschecks import findings
from bowerbird_config.identity import ANONYMOUS, SERVICES, Identity
from bowerbird_config.model import Duration, Frozen, FrozenDict, Line, Model, Slug, also
from bowerbird_config.profiles import Profile
from bowerbird_config.queries import Queries
from bowerbird_config.sign_on import SignOn
from bowerbird_config.spaces import Spaces
from bowerbird_config.teams import Team, memberships

PROCESS: Literal["process"] = "process"
KUBERNETES: Literal["kubernetes"] = "kubernetes"
# A name has 253 characters at most; an owner's label and its dot, 64 of them, go before this one.
_LONGEST_HOST = 189
# At least two labels, and the last is no number: `a.1` would be an address.
_HOST = re.compile(r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?")


def machine_path(path: str) -> str:
    """Return a path of this machine; ValueError where it is none."""
    if not path.startswith("/") or ".." in PurePosixPath(path).parts or "\0" in path:
        raise ValueError(f"{path!r} is not a path of this machine; write it from '/' and without '..'")
    return path


def _address(address: str) -> str:
    if address == "localhost":
        return address
    try:
        ip_address(address)
    except ValueError:
        raise ValueError(f"{address!r} is not an address of this machine; write 127.0.0.1, 0.0.0.0 or another IP address") from None
    return address


def host_name(host: str) -> str:
    """Return a name that others can reach a platform by; ValueError where it is none."""
    if len(host) > _LONGEST_HOST or not _HOST.fullmatch(host):
        raise ValueError(f"{host!r} is not a host name; write it like data.example.org, in small letters and without a port")
    return host


def _or_never(raw: object) -> object:
    # Helm drops what is null.
    return None if raw == "never" else raw


MachinePath = Annotated[str, AfterValidator(machine_path)]
HostName = Annotated[str, AfterValidator(host_name)]


class Limits(Model):
    """What one person may use at once, and how long an idle server lives."""

    servers_per_user: int = Field(2, gt=0, le=1000, strict=True)
    idle: Annotated[Duration | None, BeforeValidator(_or_never)] = Field(
        timedelta(hours=12),
        description="an idle server is stopped after this; null or never for never",
        json_schema_extra=also("never"),
    )
    start: Duration = Field(timedelta(minutes=2), description="a server that is not ready by then failed")
    ids_from: int = Field(
        600_000, ge=1000, le=2_000_000_000, strict=True, description="numeric ids of users and teams are given from here upwards"
    )
    queries: Queries = Queries()


class Tls(Model):
    """The certificate that the proxy shows; paths on this machine."""

    certificate: MachinePath
    key: MachinePath


class Runtime(Model):
    """Where servers run and what this machine listens on; machine paths may stand here. Of a cluster its values say the rest."""

    kind: Literal["process", "kubernetes"] = PROCESS
    address: Annotated[str, AfterValidator(_address)] = Field("127.0.0.1", description="an address that others reach demands `tls`")
    host: HostName | None = Field(
        None, description="the name that others reach the platform by; each owner's servers are at a name below it"
    )
    port: int = Field(8000, ge=0, le=65535, strict=True, description="0 for any that is free")
    tls: Tls | None = None
    environments: Frozen[Slug, MachinePath] = Field(
        default_factory=FrozenDict, description="more environments than `lab`, `eso` and `aat`, each with its directory"
    )

    @property
    def public_host(self) -> str:
        """The host name of the hub; browsers find `localhost`, and every name below it, on their own machine."""
        return self.host or "localhost"


class Storage(Model):
    """Where data lies on this machine; `releases` maps `collection/release` to a directory that is used as it is."""

    releases: Frozen[str, MachinePath] = Field(default_factory=FrozenDict)
    passthrough: bool = Field(default=True, description="whether the kernel may read large public files by itself, where it can")


class Platform(Model):
    """A whole deployment, checked: every name that it uses is defined in it."""

    bowerbird: Literal[1] = Field(description="the version of this format")
    name: Line = Field(description="what pages call the platform")
    contact: Line = Field(description="how to reach the admins")
    sign_on: SignOn
    teams: Frozen[Slug, Team] = Field(default_factory=FrozenDict)
    profiles: Frozen[Slug, Profile] = Field(min_length=1)
    collections: Frozen[Slug, Collection] = Field(default_factory=FrozenDict)
    spaces: Spaces = Spaces()
    limits: Limits = Limits()
    runtime: Runtime = Runtime()
    storage: Storage = Storage()

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        # load.py reports these with their lines; here they keep a Platform that was made otherwise just as right.
        wrong = [str(finding) for finding in findings(self.model_dump(mode="json"))]
        if wrong:
            raise ValueError("\n".join(wrong))
        return self

    def identity(self, user: str, directory_groups: Iterable[str] = ()) -> Identity:
        """Return who that user is here, with the groups that the directory gives them."""
        return Identity(user, memberships(self.teams, user, directory_groups), admin=user in self.sign_on.admins)

    def admits(self, identity: Identity, at: datetime) -> bool:
        """Tell whether that identity may sign in at that time; nobody signed in is not admitted, nor a part of the platform."""
        if identity.name is None or identity.name == SERVICES.name:
            return False
        return self.sign_on.admits(identity.name, [m.team for m in identity.memberships if m.active(at)])

    def let_in(self, identity: Identity, at: datetime) -> Identity:
        """Return the identity as the doors meet it: one who may not sign in comes as nobody."""
        return identity if self.admits(identity, at) else ANONYMOUS

    def directory_groups(self, user: str) -> tuple[str, ...]:
        """Return the groups of a demo account; nothing for others, whose groups only the directory knows."""
        account = self.sign_on.demo.accounts.get(user) if self.sign_on.demo else None
        return account.groups if account else ()
