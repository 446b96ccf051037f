"""Where the files of a running server lie on this machine; nothing here touches the disk."""

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from bowerbird_config.paths import Var

# A socket's address holds 107 bytes, and Node, which connects to ours, knows no way around that.
_LONGEST_ADDRESS = 107
_KEY_CHARACTERS = 16
SOCKET = "server.sock"
# Where the server's own directory is inside its sandbox.
INSIDE = PurePosixPath("/run/bowerbird")
# And what the hub tells it, which it can only read.
TOLD = PurePosixPath("/run/told")


def _hash(text: str, characters: int) -> str:
    return hashlib.blake2s(text.encode()).hexdigest()[:characters]


def mark_of(var: Var) -> str:
    """Return what tells the groups and the processes of this platform from those of another one."""
    return f"bowerbird-{_hash(str(var.root), 8)}"


def servers_directory(var: Var) -> Path:
    """Return the directory of all servers' sockets: below `run`, or below /run where that is too long for a socket."""
    own = var.run / "servers"
    if len(bytes(own / ("x" * _KEY_CHARACTERS) / SOCKET)) <= _LONGEST_ADDRESS:
        return own
    return Path("/run") / mark_of(var)


def told_directory(var: Var) -> Path:
    """Return the directory of what the hub tells all servers."""
    return var.run / "told"


def runtime_directory(mark: str) -> Path:
    """Return where the kernels' files lie of a server that has no sandbox."""
    return Path(tempfile.gettempdir()) / mark


@dataclass(frozen=True, slots=True)
class ServerPlace:
    """The files of one server of one user."""

    var: Var
    user: str
    server: str = ""

    @property
    def key(self) -> str:
        """A short name that is this server's alone."""
        # Names of users hold no '/'.
        return _hash(f"{self.user}/{self.server}", _KEY_CHARACTERS)

    @property
    def mark(self) -> str:
        """The name of its control group and the mark of its processes."""
        return f"{mark_of(self.var)}-{self.key}"

    @property
    def directory(self) -> Path:
        """The directory that the server makes its socket in; nobody else may."""
        return servers_directory(self.var) / self.key

    @property
    def socket(self) -> Path:
        """The socket that hub and proxy speak to."""
        return self.directory / SOCKET

    @property
    def url(self) -> str:
        """The address of the socket as hub and proxy write it."""
        return f"http+unix://{quote(str(self.socket), safe='')}"

    @property
    def told(self) -> Path:
        """The directory of what the hub tells the server while it runs: passwd and group files, and news."""
        return told_directory(self.var) / self.key

    @property
    def runtime(self) -> Path:
        """The directory of its kernels' files where it has no sandbox."""
        return runtime_directory(self.mark)

    @property
    def home(self) -> Path:
        """The user's home on this machine."""
        return self.var.homes / self.user

    @property
    def log(self) -> Path:
        """What the server writes while it runs."""
        return self.var.logs / "servers" / (f"{self.user}.log" if not self.server else f"{self.user}--{self.server}.log")
