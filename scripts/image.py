"""The environment of an image, made while the image is built and put in its place: `python3 -m scripts.image NAME`.

It is made as the launcher makes those of a checkout, from the same requirements, but whole: nothing in it leads to a checkout.
"""

import os
import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from scripts import aladin, proxy
from scripts.environments import Environment
from scripts.running import Log, Trouble
from scripts.uv import Uv

ROOT = Path(__file__).resolve().parent.parent
PLACE = Path("/opt/bowerbird")
TROUBLE = 2
# An image's files never change, so nobody has to look whether a source is newer than its bytecode.
BYTECODE = {"PYC_INVALIDATION_MODE": "UNCHECKED_HASH"}
# What runs from an image never tests its packages and never compiles against them; Django and Babel keep the language that our
# pages are in, the hub's pages what they are compiled into, and pyarrow does without Flight.
_PACKAGES = "lib/python3.*/site-packages"
_PAGES = "share/jupyterhub/static/components"
UNUSED = (
    f"{_PACKAGES}/**/tests",
    f"{_PACKAGES}/jupyterlab/galata",
    f"{_PACKAGES}/jedi/third_party/django-stubs",
    *(f"{_PACKAGES}/django/contrib/{name}" for name in ("gis", "admin/static")),
    f"{_PACKAGES}/sqlalchemy/testing",
    *(f"{_PACKAGES}/**/*.{ending}" for ending in ("c", "cpp", "h", "hpp", "pxd", "pyx")),
    *(f"{_PACKAGES}/pyarrow/{name}" for name in ("_flight*", "flight.py", "libarrow_flight*", "libarrow_python_flight*")),
    *(f"{_PACKAGES}/{name}/[!e_]*" for name in ("django/**/locale", "cas_server/locale")),
    *(f"{_PACKAGES}/{name}/e[!n]*" for name in ("django/**/locale", "cas_server/locale", "babel/locale-data")),
    f"{_PACKAGES}/babel/locale-data/[!er]*",
    *(f"{_PAGES}/@fortawesome/fontawesome-free/{name}" for name in ("js*", "svgs*", "sprites*", "scss", "less", "metadata")),
    *(f"{_PAGES}/{name}" for name in ("bootstrap/scss", "bootstrap/dist/css", "moment/src", "moment/ts*")),
    "share/**/*.map",
    ".lock",
)
# What a single-user server brings along of the hub's pages, which the hub itself serves.
HUB_PAGES = "share/jupyterhub/static"
# Astropy imports this one itself; and the companion of /data is loaded only where its sources say that they are what it was built of.
KEPT = ("*/site-packages/astropy/tests", "*/bowerbird_fuse/native/*")


@dataclass(frozen=True)
class Part:
    """What an image holds: requirements/<name>.txt of each name, our members, and what npm brings."""

    requirements: tuple[str, ...]
    members: tuple[str, ...]
    proxy: bool = False
    aladin: bool = False


PARTS = {
    # The demo CAS server is for trials, and runs from the same image.
    "hub": Part(("hub", "cas"), ("config", "hub"), proxy=True),
    "data": Part(("csi",), ("config", "fuse")),
    "services": Part(("services",), ("config", "extensions", "services")),
    "base": Part(("lab",), ("extensions",), aladin=True),
}


def make(part: Part, uv: Uv, log: Log, place: Path = PLACE) -> None:
    """Make an environment with all that a part has, and put it in its place."""
    environment = Environment(part.requirements[0], part.members, editable=False, groups=part.requirements)
    environment.install_packages(ROOT, uv)
    folder = environment.folder(ROOT)
    environment.install_members(ROOT, uv)
    leave_out(folder, UNUSED if part.proxy else (*UNUSED, HUB_PAGES))
    link_members(folder)
    if part.proxy or part.aladin:
        proxy.install(ROOT, uv, log)
    if part.aladin:
        aladin.install(ROOT, folder)
    if part.proxy:
        bring_proxy(folder)
        strip(folder, log)
    shutil.move(folder, place)


def leave_out(folder: Path, patterns: Iterable[str]) -> None:
    """Remove what the packages bring and nobody needs here."""
    for pattern in patterns:
        for unused in sorted(folder.glob(pattern)):
            if any(unused.match(kept) for kept in KEPT):
                continue
            if unused.is_dir():
                shutil.rmtree(unused)
            else:
                unused.unlink(missing_ok=True)


def link_members(folder: Path) -> None:
    """Let our own packages be found where they are in a checkout, so that a command line names the same file in both."""
    for package in folder.glob(f"{_PACKAGES}/bowerbird_*"):
        if package.suffix:  # what pip knows of it
            continue
        link = folder / package.name.removeprefix("bowerbird_") / package.name
        link.parent.mkdir()
        link.symlink_to(os.path.relpath(package, link.parent))


def bring_proxy(folder: Path) -> None:
    """Put Node and the proxy's program beside those of Python."""
    node = ROOT / ".bowerbird/node"
    shutil.copy(node / "bin/node", folder / "bin/node")
    shutil.copytree(node / "node_modules", folder / "node_modules", symlinks=True, ignore=shutil.ignore_patterns("aladin-lite"))
    (folder / "bin/configurable-http-proxy").symlink_to("../node_modules/.bin/configurable-http-proxy")


def strip(folder: Path, log: Log) -> None:
    """Take out of programs and modules what only a debugger reads; libraries that a wheel brought along bear no touch."""
    modules = (module for module in folder.glob(f"{_PACKAGES}/**/*.so") if not module.parent.name.endswith(".libs"))
    log.run(["strip", "--strip-unneeded", str(folder / "bin/node"), *map(str, modules)])


def main() -> int:
    """Make the environment of the image that is named."""
    log = Log(ROOT / ".bowerbird/setup.log")
    (ROOT / ".bowerbird").mkdir(exist_ok=True)
    os.environ.update(BYTECODE)
    uv = Uv(ROOT, log)
    try:
        uv.bring()
        make(PARTS[sys.argv[1]], uv, log)
    except Trouble as trouble:
        print(trouble, file=sys.stderr)
        return TROUBLE
    return 0


if __name__ == "__main__":
    sys.exit(main())
