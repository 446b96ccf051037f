"""What must hold before a server starts, each refusal a sentence for the person who wants the server."""

import os
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path

from bowerbird_config.identity import IdentityRecord
from bowerbird_config.images.on_machine import ABSENT, LocalEnvironment
from bowerbird_config.model import format_size

# A kernel's connection files, a notebook's checkpoint and a browser's session need a little.
HOME_ROOM_BYTES = 16 << 20
# Linux takes no longer variable, its name and what ends it included.
VARIABLE_BYTES = 128 << 10
# Of all variables: Linux takes more, but a pod's manifest may have little beside.
VARIABLES_BYTES = 256 << 10


class NotReady(Exception):
    """A server cannot start now; the text says why, and what to do or whom to tell; the command that helps is its end."""

    def __init__(self, words: str, command: str = "") -> None:
        super().__init__(f"{words} {command}".rstrip())
        self.words = words
        self.command = command


def sandbox(program: Path) -> None:
    """Return where servers can be kept apart; NotReady where not."""
    if not os.access(program, os.X_OK):
        raise NotReady(f"Servers cannot be kept apart on this machine: {program} is missing. Its admins can install bubblewrap.")


def environment(found: LocalEnvironment | None, name: str) -> LocalEnvironment:
    """Return the environment where it is there; NotReady where not, or where nobody knows it."""
    if found is None:
        raise NotReady(
            f"The environment '{name}' of this profile is not known on this machine. "
            "The admins of the platform can name its directory under runtime.environments."
        )
    if not found.ready:
        how = "." if not found.command else ", as root:" if found.as_root else ":"
        what = f"The environment '{name}' of this profile {ABSENT}."
        raise NotReady(f"{what} The admins of the platform can install it{how}", found.command)
    return found


def image(images: Collection[str], name: str) -> None:
    """Return where the environment has an image; NotReady where not."""
    if name not in images:
        raise NotReady(
            f"The environment '{name}' of this profile is not installed on this cluster: it has no image. "
            "The admins of the platform can name one."
        )


def variables(told: Mapping[str, str], profile: str) -> None:
    """Return where a server can be given those variables; NotReady where they are too large."""
    sizes = {name: len(f"{name}={value}\0".encode()) for name, value in told.items()}
    longest = max(sizes, key=sizes.__getitem__, default="")
    if sizes and sizes[longest] > VARIABLE_BYTES:
        what, limit = f"The variable {longest} of profile {profile} takes {_kib(sizes[longest])}", VARIABLE_BYTES
    elif sum(sizes.values()) > VARIABLES_BYTES:
        what, limit = f"The variables of profile {profile} take {_kib(sum(sizes.values()))}", VARIABLES_BYTES
    else:
        return
    raise NotReady(f"{what}, and {_kib(limit)} is the most that a server can be given. The admins of the platform can shorten it.")


def _kib(size_bytes: int) -> str:
    return format_size(-(-size_bytes // 1024) * 1024)


def home(path: Path, record: IdentityRecord | None, room_bytes: int = HOME_ROOM_BYTES) -> None:
    """Return where the home is there, is the user's own and has room; NotReady where not."""
    try:
        found = path.stat()
    except OSError as error:
        raise NotReady(f"Your home cannot be read ({error.strerror}). The admins of the platform can say why.") from error
    if record is not None and found.st_uid != record.uid:
        raise NotReady(
            f"Your home belongs to the number {found.st_uid}, and yours is {record.uid}. The admins of the platform can put that right."
        )
    free = shutil.disk_usage(path).free
    if free < room_bytes:
        raise NotReady(
            f"Your home has {format_size(free >> 20 << 20)} of room left and a server needs {format_size(room_bytes)}. "
            "Remove files, or ask the admins of the platform for room."
        )


def servers(running: int, limit: int) -> None:
    """Return where one more server is within the limit; NotReady where not."""
    if running >= limit:
        what = "one server" if limit == 1 else f"{limit} servers"
        raise NotReady(f"A person may run {what} at once here, and yours are running already. Stop one of them first.")
