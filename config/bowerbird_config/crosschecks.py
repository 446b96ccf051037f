"""What no single part of the platform file can check: that its parts fit each other.

Works on plain mappings and lists of any shape, so that it also finds what is wrong in a file with other errors.
"""

import itertools
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from pathlib import PurePosixPath
from typing import Any

from bowerbird_config.model import is_slug
from bowerbird_config.problems import Finding, Steps, choose_from
from bowerbird_config.profiles import IMAGES, Profile
from bowerbird_config.sign_on import is_loopback
from bowerbird_config.tables import schema_name

# Where a text may begin with '/': a machine's own parts, what a server sees inside its environment, a directory's own
# names (some write groups as '/craft'), and prose.
_MACHINE_PARTS = ("runtime", "storage")
_SLASHES_ALLOWED = ("variables", "groups", "description")
_STANDARD_SCHEMAS = ("tap_schema", "tap_upload")
# Where browsers look for `localhost` and the names below it.
_LOCALHOST = ("127.0.0.1", "::1", "localhost")


def findings(tree: Any) -> Iterator[Finding]:
    """Yield all that does not fit in the tree of a platform file."""
    yield from _unknown_teams(tree)
    yield from _unknown_environments(tree)
    yield from _unknown_releases(tree)
    yield from _shared_links(tree)
    yield from _shared_schemas(tree)
    yield from _nested_releases(tree)
    yield from _open_address(tree)
    yield from _host_name(tree)
    yield from _machine_paths(tree, ())


def mapping_at(tree: Any, *path: str) -> Mapping[str, Any]:
    """Return the mapping at that path; an empty one where there is none."""
    for step in path:
        tree = tree.get(step) if isinstance(tree, Mapping) else None
    return tree if isinstance(tree, Mapping) else {}


def _texts(tree: Any, *path: str) -> Iterator[tuple[Steps, str]]:
    """Yield the texts of the list at that path."""
    found = mapping_at(tree, *path[:-1]).get(path[-1])
    for number, text in enumerate(found if isinstance(found, list | tuple) else ()):
        if isinstance(text, str):
            yield (*path, number), text


def _releases(tree: Any) -> Iterator[tuple[str, str]]:
    for collection in mapping_at(tree, "collections"):
        for release in mapping_at(tree, "collections", collection, "releases"):
            yield collection, release


def _uses_of_teams(tree: Any) -> Iterator[tuple[Steps, str, str]]:
    for path, team in _texts(tree, "sign_on", "allow_teams"):
        yield path, team, "sign_on.allow_teams"
    for profile in mapping_at(tree, "profiles"):
        for path, team in _texts(tree, "profiles", profile, "teams"):
            yield path, team, f"profile {profile!r}"
    for collection, release in _releases(tree):
        for path, team in _texts(tree, "collections", collection, "releases", release, "teams"):
            yield path, team, f"release '{collection}/{release}'"
    for team in mapping_at(tree, "spaces", "team_quotas"):
        yield ("spaces", "team_quotas", team), team, "spaces.team_quotas"


def _unknown_teams(tree: Any) -> Iterator[Finding]:
    defined = mapping_at(tree, "teams")
    for path, team, user in _uses_of_teams(tree):
        if team not in defined:
            # A name that is a mistake itself is no advice.
            yield Finding(path, f"{user} names team {team!r}, which is not defined", choose_from(team, filter(is_slug, defined)))


def _unknown_environments(tree: Any) -> Iterator[Finding]:
    if mapping_at(tree, "runtime").get("kind") == "kubernetes":  # there an environment is an image, which the chart's values name
        return
    defined = dict.fromkeys([*IMAGES, *mapping_at(tree, "runtime", "environments")])
    for profile in mapping_at(tree, "profiles"):
        name = mapping_at(tree, "profiles", profile).get("environment", Profile.model_fields["environment"].default)
        if isinstance(name, str) and name not in defined:
            what = f"profile {profile!r} uses environment {name!r}, which is not defined"
            remedy = f"{choose_from(name, defined)}; one of your own has its directory under runtime.environments"
            yield Finding(("profiles", profile, "environment"), what, remedy)


def _unknown_releases(tree: Any) -> Iterator[Finding]:
    defined = ["/".join(names) for names in _releases(tree)]
    for name in mapping_at(tree, "storage", "releases"):
        if name not in defined:
            what = f"storage.releases names release {name!r}, which is not defined"
            yield Finding(("storage", "releases", name), what, choose_from(name, defined))


def _shared_links(tree: Any) -> Iterator[Finding]:
    """Two releases may not have one link below /data/public, where names are joined by '-'."""
    seen: dict[str, str] = {}
    for collection, release in _releases(tree):
        link, name = f"{collection}-{release}", f"{collection}/{release}"
        first = seen.setdefault(link, name)
        if first != name:
            what = f"releases {first!r} and {name!r} would both be {link!r} below /data/public"
            yield Finding(("collections", collection, "releases", release), what, "rename one of them")


def _shared_schemas(tree: Any) -> Iterator[Finding]:
    """Two releases may not have one schema of tables, nor that of a standard."""
    seen: dict[str, tuple[str, str]] = {}
    for collection, release in _releases(tree):
        schema, path = schema_name(collection, release), ("collections", collection, "releases", release)
        if schema in _STANDARD_SCHEMAS:
            what = f"release '{collection}/{release}' would have {schema!r} as its schema of tables, which is a standard's"
            yield Finding(path, what, "rename it")
        first = "/".join(seen.setdefault(schema, (collection, release)))
        # Names that differ in nothing but the place of a '-' share a link too, and that was said already.
        if first != f"{collection}/{release}" and first.replace("/", "-") != f"{collection}-{release}":
            what = f"releases {first!r} and '{collection}/{release}' would both have {schema!r} as their schema of tables"
            yield Finding(path, what, "rename one of them")


def _nested_releases(tree: Any) -> Iterator[Finding]:
    """The directory of a release may not hold another's: who reads the one would read the other by it."""
    places = {name: PurePosixPath(place) for name, place in mapping_at(tree, "storage", "releases").items() if isinstance(place, str)}
    for inner, outer in itertools.permutations(places, 2):
        same = places[inner] == places[outer]
        if places[inner].is_relative_to(places[outer]) and (inner > outer or not same):
            what = f"the directory of release {outer!r} holds that of {inner!r}, so that who reads the one reads the other"
            yield Finding(("storage", "releases", inner), what, "give each a directory of its own")


def _open_address(tree: Any) -> Iterator[Finding]:
    runtime = mapping_at(tree, "runtime")
    address = runtime.get("address", "127.0.0.1")
    if not isinstance(address, str) or is_loopback(address):
        return
    if runtime.get("tls") is None:
        what = f"the platform would listen on {address} without TLS, where others read what it carries"
        yield Finding(("runtime", "address"), what, "add runtime.tls with certificate and key, or listen on 127.0.0.1")
    if mapping_at(tree, "sign_on").get("demo") is not None:
        what = f"demo accounts are not for a platform that listens on {address}"
        yield Finding(("sign_on", "demo"), what, "name a CAS server under sign_on.cas, or listen on 127.0.0.1")


def _is_address(text: Any) -> bool:
    try:
        return bool(ip_address(text))
    except ValueError:
        return False


def _host_name(tree: Any) -> Iterator[Finding]:
    """Browsers must find the platform and each owner's servers by name, and believe the names."""
    runtime = mapping_at(tree, "runtime")
    address, host = runtime.get("address", "127.0.0.1"), runtime.get("host")
    if host is None and address not in _LOCALHOST and _is_address(address):
        what = f"a platform that listens on {address} has no name by which browsers find it and its servers"
        yield Finding(("runtime", "address"), what, "add runtime.host, as data.example.org, or listen on 127.0.0.1")
    if host is not None and runtime.get("tls") is None:
        what = "runtime.host is the name of a platform that others reach, and there is no TLS"
        yield Finding(("runtime", "host"), what, "add runtime.tls with certificate and key, or remove the name")


def _machine_paths(tree: Any, path: Steps) -> Iterator[Finding]:
    # From the third step on: a team or a profile may itself have such a name.
    if path and (path[0] in _MACHINE_PARTS or (path[2:] and path[-1] in _SLASHES_ALLOWED)):
        return
    if isinstance(tree, str) and tree.startswith("/"):
        what = f"{tree!r} is a path of one machine, which only runtime and storage may name"
        yield Finding(path, what, "write it there, so that the rest runs anywhere")
    for step, below in tree.items() if isinstance(tree, Mapping) else enumerate(tree) if isinstance(tree, list | tuple) else ():
        yield from _machine_paths(below, (*path, step))
