"""Sign-on: which server says who somebody is, and who of them may come in."""

from collections.abc import Iterable
from datetime import timedelta
from ipaddress import ip_address
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from bowerbird_config.model import Duration, Frozen, Line, Model, Slug, UserName


def is_loopback(host: str) -> bool:
    """Tell whether that host is this machine and no other can reach it."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _cas_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        _ = parts.port  # read here, since it is checked when it is read
    except ValueError:
        raise ValueError(f"{url!r} is not the address of a CAS server; write it like https://cas.example.org/cas") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment or url != url.strip():
        raise ValueError(f"{url!r} is not the address of a CAS server; write it like https://cas.example.org/cas")
    if parts.username or parts.password:
        raise ValueError("a name or password stands in the address of the CAS server; remove it")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError(f"{url!r} would carry tickets in the clear; write https://")
    return url.rstrip("/")


class CasSignOn(Model):
    """A CAS 3.0 server and the names of its attributes."""

    url: Annotated[str, AfterValidator(_cas_url)] = Field(description="the address below which /login and /p3/serviceValidate are")
    groups_attribute: Line = "memberOf"
    uid_attribute: Line | None = None
    gid_attribute: Line | None = None
    timeout: Duration = Field(timedelta(seconds=5), description="how long the server may take to answer")


class DemoAccount(Model):
    """An account of the demo CAS server; its password is made at the first start."""

    title: Line
    groups: tuple[Line, ...] = ()


class DemoSignOn(Model):
    """A CAS server of our own on this machine, for demonstrations."""

    accounts: Frozen[UserName, DemoAccount] = Field(min_length=1)


class SignOn(Model):
    """Where people sign in: exactly one of `cas` and `demo`; who may, and who administers."""

    cas: CasSignOn | None = None
    demo: DemoSignOn | None = None
    allow_teams: tuple[Slug, ...] = Field((), description="whose people may sign in; without allow_teams and allow_users: everybody")
    allow_users: tuple[UserName, ...] = ()
    block_users: tuple[UserName, ...] = Field((), description="who may not, whatever else is said")
    admins: tuple[UserName, ...] = Field((), description="who administers the platform; this gives access to no data")
    session: Duration = Field(timedelta(hours=12), description="how long a sign-on lasts before it is asked for again")

    @model_validator(mode="after")
    def _one_server(self) -> Self:
        if (self.cas is None) == (self.demo is None):
            found = "neither 'cas' nor 'demo'" if self.cas is None else "both 'cas' and 'demo'"
            raise ValueError(f"sign_on has {found}; write exactly one of them")
        return self

    def admits(self, user: str, teams: Iterable[str]) -> bool:
        """Tell whether somebody of that name and in those teams may sign in."""
        if user in self.block_users:
            return False
        everybody = not self.allow_teams and not self.allow_users
        return everybody or user in self.admins or user in self.allow_users or not set(self.allow_teams).isdisjoint(teams)
