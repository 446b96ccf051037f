"""Our own images for the cluster, from this checkout and the tests' environment: they hold what `images/` makes, without a container tool.

Their Python is this machine's, and their packages are those that the tests' environment has of each part's requirements.
"""

import hashlib
import os
import re
import sysconfig
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, distributions, requires
from pathlib import Path

from bowerbird_hub import pods
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.cluster import bytecode, images, small_server
from tests.support.cluster.images import Files, Link
from tests.support.cluster.kept import kept

ROOT = Path(__file__).parents[3]
PLACE = "opt/bowerbird"
_SITE = Path(sysconfig.get_path("purelib"))
_PACKAGES = f"{PLACE}/{_SITE.relative_to(_SITE.parents[2])}"
_PYTHON = f"/{PLACE}/bin/python3"
_NODE = ROOT / ".bowerbird/node"
_SINGLE_USER = ROOT / "hub/bowerbird_hub/runtimes/single_user.py"
_PROXY = "node_modules/configurable-http-proxy/bin/configurable-http-proxy"
# What nobody asks of the image, as in scripts/image.py: the hub's pages are compiled, and speak one language.
_LEFT_OUT = re.compile(
    r"(?<!/site-packages/astropy)/tests?/|/fontawesome-free/(js|svgs|sprites|scss|less|metadata)/|\.map$|/locale/(?!en/|__init__)|/django/contrib/gis/|/pyarrow/include|/babel/locale-data/(?!en|root)"
    r"|/pyarrow/(_flight|flight|libarrow_flight|libarrow_python_flight)"
    r"|/jedi/third_party/django-stubs/|/jupyterlab/galata/"
)
# All that is somebody's own comes by one volume, as in images/base.
_LINKS: Files = {
    "data": Link("run/volume/data"),
    "home": Link("run/volume/home"),
    "var/lib/extrausers": Link("/run/volume/etc"),
    "etc/nsswitch.conf": "passwd: files extrausers\ngroup: files extrausers\nhosts: files dns\n",
}
_PATH = f"/{PLACE}/bin:/usr/bin:/bin"
_PYVENV = "home = /usr/bin\ninclude-system-site-packages = false\n"


@dataclass(frozen=True, slots=True)
class Part:
    """What an image holds: requirements/<name>.txt of each name, and our own packages by their path in the checkout.

    A part with roots has these packages and what they need in the place of requirements.
    """

    requirements: tuple[str, ...]
    members: tuple[str, ...]
    scripts: tuple[tuple[str, str], ...] = ()
    proxy: bool = False
    more: tuple[str, ...] = ()
    roots: tuple[str, ...] = ()
    # Of single-user servers.
    program: Path | None = None
    # What a database server is asked with.
    database: bool = False


_HUB = ("jupyterhub", "jupyterhub.app")
_LAB = ("jupyterhub", "jupyterlab", "ipykernel", "jupyter-resource-usage")
PARTS = {
    "hub": Part(
        ("hub", "cas"), ("config/bowerbird_config", "hub/bowerbird_hub"), (("jupyterhub", "jupyterhub.app"),), proxy=True, database=True
    ),
    "data": Part(("csi",), ("config/bowerbird_config", "fuse/bowerbird_fuse"), more=("libbowerbird_fuse.so",)),
    "services": Part(("services",), ("config/bowerbird_config", "extensions/bowerbird", "services/bowerbird_services")),
    # What servers run: JupyterLab with our extension, and nothing to compute with.
    "lab": Part((), ("extensions/bowerbird",), roots=_LAB, program=_SINGLE_USER),
    # The same with what our extension itself asks for: to query tables and to cut images.
    "research": Part((), ("extensions/bowerbird",), roots=(*_LAB, "bowerbird"), program=_SINGLE_USER),
    "small": Part((), (), program=Path(small_server.__file__)),
}


def name_of(part: str) -> str:
    """Return the name of a part's image."""
    return f"localhost/bowerbird/{part}:test"


def archive_of(part: str) -> Path:
    """Return the archive of a part's image, of which it has what is of this checkout; the cache keeps it. Nodes have what is below it."""
    return kept(f"platform-{part}", _key(part), partial(_write, part)) / f"{part}.tar"


def below(part: str) -> Path:
    """Return the archive of an image of all that a part's has of others, which is written where the cache has it not."""
    return kept(f"below-{part}", _key_below(part), partial(_write_below, part)) / f"{part}.tar"


def _write(part: str, folder: Path) -> None:
    files = _own(PARTS[part])
    images.write_upon(folder / f"{part}.tar", name_of(part), [_PYTHON], below(part), {**files, **bytecode.compiled(files)}, _PATH)


def _write_below(part: str, folder: Path) -> None:
    files = {**images.probe_files(), **_others(PARTS[part])}
    images.write(folder / f"{part}.tar", f"localhost/bowerbird/{part}:below", [_PYTHON], {**files, **bytecode.compiled(files)}, _PATH)


def _others(part: Part) -> Files:
    found: dict[str, Path] = {_PYTHON.lstrip("/"): Path("/usr/bin/python3"), **dict(_packages(part))}
    if part.proxy:
        found |= {f"{PLACE}/bin/node": _NODE / "bin/node"}
        found |= {
            f"{PLACE}/{path.relative_to(_NODE)}": path for path in _sources(_NODE / "node_modules") if "aladin-lite" not in path.parts
        }
    if part.database:
        found |= _database_client()
    return images.with_libraries(found)


def _own(part: Part) -> Files:
    found = {f"{_PACKAGES}/{name}": _SITE / name for name in part.more}
    for member in part.members:
        for path in _sources(ROOT / member):
            # As in the images: a command line names the same file there and in a checkout.
            for place in (_PACKAGES, f"{PLACE}/{Path(member).parent}"):
                found[f"{place}/{path.relative_to((ROOT / member).parent)}"] = path
    if part.program is not None:
        return {**images.with_libraries({**found, **_single_user(part.program)}), **_scripts(part), **_LINKS}
    return {**images.with_libraries(found), **_scripts(part)}


def _single_user(program: Path) -> dict[str, Path]:
    """Return what a server's pod names in its command line, and what reads the accounts of its volume."""
    accounts = Path("/usr/lib/libnss_extrausers.so.2")
    named = {
        pods.TINI: Path(pods.TINI),
        f"{pods.PYTHON}": Path("/usr/bin/python3"),
        f"{pods.PROGRAM}": program,
        f"{accounts}": accounts,
    }
    return {path.lstrip("/"): source for path, source in named.items()}


def _database_client() -> dict[str, Path]:
    """Return PostgreSQL's library, and what Python looks for libraries with."""
    (library,) = Path("/usr/lib").glob("*-linux-gnu/libpq.so.5")
    return {f"{path}".lstrip("/"): path for path in (library, Path("/sbin/ldconfig"), Path("/etc/ld.so.cache"))}


def _scripts(part: Part) -> dict[str, str]:
    made = {name: f"#!{_PYTHON}\nimport sys\nfrom {module} import main\nsys.exit(main())\n" for name, module in part.scripts}
    if part.proxy:
        made["configurable-http-proxy"] = f'#!/bin/sh\nexec node /{PLACE}/{_PROXY} "$@"\n'
    css = (ROOT / "hub/bowerbird_hub/pages/bowerbird.css").read_text(encoding="utf-8")
    return {**{f"{PLACE}/bin/{name}": text for name, text in made.items()}, f"{PLACE}/pyvenv.cfg": _PYVENV, f"{PLACE}/bowerbird.css": css}


def _sources(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file() and "__pycache__" not in path.parts)


def _required(part: Part) -> set[str]:
    """Return the names of the packages that a part requires, as PEP 503 spells them; ours among them, whose versions are asked for."""
    texts = (ROOT.joinpath("requirements", f"{name}.txt").read_text(encoding="utf-8") for name in part.requirements)
    own = {Path(member).name.replace("_", "-") for member in part.members}
    return own | _needed(part.roots) | {found for text in texts for found in re.findall(r"^([a-z0-9-]+)==", text, re.MULTILINE)}


def _needed(roots: Iterable[str]) -> set[str]:
    """Return the names of packages and of all that they need, extras aside."""
    found, left = set[str](), [canonicalize_name(root) for root in roots]
    while left:
        name = left.pop()
        if name in found:
            continue
        found.add(name)
        try:
            wanted = map(Requirement, requires(name) or ())
        except PackageNotFoundError:  # of another system
            continue
        left += [canonicalize_name(each.name) for each in wanted if each.marker is None or each.marker.evaluate({"extra": ""})]
    return {str(name) for name in found}


def _packages(part: Part) -> Iterator[tuple[str, Path]]:
    wanted = _required(part)
    for distribution in distributions(path=[str(_SITE)]):
        if re.sub(r"[-_.]+", "-", distribution.metadata["Name"]).lower() not in wanted:
            continue
        for file in distribution.files or ():
            path = Path(os.path.normpath(str(distribution.locate_file(file))))
            if path.suffix == ".pth" or not path.is_relative_to(_SITE.parents[2]):
                continue  # of a checkout alone
            inside = path.relative_to(_SITE.parents[2])
            if path.is_file() and inside.parts[0] != "bin" and "__pycache__" not in path.parts and not _LEFT_OUT.search(f"/{inside}"):
                yield f"{PLACE}/{inside}", path


def _key_below(part: str) -> str:
    """Return a hash of what is required of others' packages, and of how an image is made of them, the same wherever the checkout lies."""
    texts = [Path(each) for each in (__file__, images.__file__, bytecode.__file__)]
    texts += [ROOT / f"requirements/{name}.txt" for name in ("test", *PARTS[part].requirements)]
    return _hash(images.debian(), texts)


def _key(part: str) -> str:
    """Return a hash of what an image is made of: what is below it, and our own files."""
    texts = [PARTS[part].program or _SINGLE_USER, ROOT / "hub/bowerbird_hub/pages/bowerbird.css"]
    texts += [path for member in PARTS[part].members for path in _sources(ROOT / member)]
    return _hash(_key_below(part), texts)


def _hash(told: str, texts: Iterable[Path]) -> str:
    made_of = hashlib.sha256(told.encode())
    for path in texts:
        made_of.update(f"{path.relative_to(ROOT)} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return made_of.hexdigest()[:16]
