"""Environments of profiles where servers are processes of one machine: which it has, and the command that brings what it lacks."""

import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bowerbird_config.images.contract import FILE, Contract, load_contract
from bowerbird_config.install import Install
from bowerbird_config.platform import PROCESS, Platform
from bowerbird_config.problems import ConfigError, Finding
from bowerbird_config.profiles import IMAGES

# What servers see of the machine's programs.
SYSTEM_PATH = "/usr/local/bin:/usr/bin"
# What is said of an environment that is not ready.
ABSENT = "is not installed on this machine"


@dataclass(frozen=True, slots=True)
class LocalEnvironment:
    """An environment as a machine has it: its interpreter, the machine's programs that belong to it, and the command that brings it."""

    python: Path
    programs: tuple[str, ...] = ()
    command: str = ""
    as_root: bool = False

    @property
    def ready(self) -> bool:
        """Tell whether servers can run in it."""
        return os.access(self.python, os.X_OK) and all(shutil.which(program, path=SYSTEM_PATH) for program in self.programs)

    @property
    def remedy(self) -> str:
        """The command, and who gives it."""
        return f"as root: {self.command}" if self.as_root else self.command


def local_environment(name: str, install: Install, places: Mapping[str, str]) -> LocalEnvironment | None:
    """Return an environment by its name in profiles; None for one that neither the checkout has nor `places`, of the platform file.

    ConfigError where the contract of its image is wrong.
    """
    if name in places:
        return LocalEnvironment(Path(places[name]) / "bin" / "python")
    return of_image(IMAGES[name], install) if name in IMAGES else None


@cache
def of_image(image: str, install: Install) -> LocalEnvironment:
    """Return the environment that is on a machine what an image is on a cluster; ConfigError where its contract is wrong."""
    if image == IMAGES["lab"]:
        return LocalEnvironment(install.lab_python, command="./bowerbird up")
    contract = load_contract(install.images / image / FILE)
    if not contract.debian:
        return LocalEnvironment(install.environment(image) / "bin" / "python", command=f"./bowerbird images install {image}")
    below = of_image(contract.stands_on or IMAGES["lab"], install)
    command = f"apt-get install --no-install-recommends {' '.join(contract.debian)}"
    return LocalEnvironment(below.python, tuple(contract.commands), command, as_root=True)


def supplied(contract: Contract) -> Iterator[str]:
    """Yield what this machine has, or lacks, of the programs that an image has only where the admin brought them."""
    for name, what in contract.supplied.items():
        absent = [command for command in what.commands if shutil.which(command, path=SYSTEM_PATH) is None]
        if absent:
            yield f"{name} is not here, for nobody may hand it on: {what.where}; servers find {' and '.join(absent)} in /usr/local/bin"
        else:
            yield f"{name} is here"


def lacks(platform: Platform, install: Install) -> Iterator[Finding]:
    """Yield the profiles whose environment is an image's and is not on this machine; a directory of the platform file is no image's."""
    if platform.runtime.kind != PROCESS:
        return
    images = {name: image for name, image in IMAGES.items() if name not in platform.runtime.environments}
    for profile, about in platform.profiles.items():
        remedy = _remedy(images[about.environment], install) if about.environment in images else ""
        if remedy:
            what = f"profile {profile!r} cannot be started: its environment {about.environment!r} {ABSENT}"
            yield Finding(("profiles", profile, "environment"), what, remedy)


def _remedy(image: str, install: Install) -> str:
    """Return what brings an environment that is not here; nothing for one that is."""
    try:
        found = of_image(image, install)
    except ConfigError as error:
        return str(error)
    return "" if found.ready else found.remedy
