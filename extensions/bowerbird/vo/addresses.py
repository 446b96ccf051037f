"""Where the services of a platform are: beside its tables, of which a server is told. Pure."""

from collections.abc import Mapping

from bowerbird.errors import BadArgument

PLATFORM = "BOWERBIRD_TAP_URL"
_TAP = "/tap"
SIA2, LINKS = "sia2/query", "datalink/links"
# All that a platform's own services answer below.
_PARTS = ("tap", "scs", "sia2", "datalink", "soda", "products", "hips", "moc")


def named(service: str) -> str:
    """Return the address of a service that somebody names; BadArgument for what is none of the web."""
    if not str(service).lower().startswith(("http://", "https://")):
        raise BadArgument(f"service is {service!r}, which is no web address; write all of it, as in service='https://example.org/tap'")
    return service


def beside(environment: Mapping[str, str], path: str) -> str | None:
    """Return the address of a service of the platform that this server belongs to; None where there is none."""
    tap = environment.get(PLATFORM, "").rstrip("/")
    return f"{tap.removesuffix(_TAP)}/{path}" if tap.endswith(_TAP) else None


def own(environment: Mapping[str, str]) -> list[str]:
    """Return the addresses of all services of the platform, and of nothing else that its host may have."""
    tap = environment.get(PLATFORM)
    return [tap, *filter(None, (beside(environment, part) for part in _PARTS))] if tap else []
