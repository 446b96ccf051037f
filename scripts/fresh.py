"""A Debian that holds nothing, made by debootstrap, in which both commands of the README are run from a clone of this checkout.

Only the settings of the package clients and the certificates are carried in. Mounts and processes live in namespaces of
their own, so that they end with it, however it ends.
"""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).resolve().parent.parent
SUITE = "bookworm"
CHECKOUT = "/srv/a checkout/bowerbird"
TOOLS = ("debootstrap", "unshare", "git")
TROUBLE = 2
STOPPED = 143
SETTINGS = (
    "/etc/apt/sources.list",
    "/etc/apt/sources.list.d",
    "/etc/apt/apt.conf.d",
    "/etc/apt/auth.conf.d",
    "/etc/apt/keyrings",
    "/etc/apt/preferences.d",
    "/etc/pip.conf",
    "/etc/npmrc",
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/ssl/certs/ca-certificates.crt",
    "/usr/local/share/ca-certificates",
)
HOME_SETTINGS = (".npmrc", ".config/pip/pip.conf", ".pip/pip.conf", ".config/uv/uv.toml")
VARIABLE = re.compile(
    r"(?i)^((https?|ftp|all|no)_proxy|pip_.*|npm_config_.*|uv_(default_index|index|system_certs)|.*_ca_bundle|.*_cert_file|.*_ca_certs)$"
)
# Runs as the first process of the new namespaces; $1 is the new root, $2 the command inside it.
ENTER = """
set -eu
mount --make-rprivate /
mount --bind "$1" "$1"
for place in dev sys; do mount --rbind "/$place" "$1/$place"; done
mount -t proc proc "$1/proc"
mkdir -p "$1/old"
cd "$1"
pivot_root . old
umount -l /old
rmdir /old
exec sh -c "$2"
"""


def mirror() -> str:
    """Return the Debian mirror that this machine's apt uses."""
    said = subprocess.run(["apt-get", "indextargets", "--format", "$(SITE)"], capture_output=True, text=True, check=True).stdout
    return said.split()[0]


def carry(root: Path) -> None:
    """Copy the package clients' settings into the new Debian, at their own places."""
    home = Path.home()
    (root / "etc/apt/sources.list").unlink(missing_ok=True)
    pairs = [(Path(place), place) for place in SETTINGS] + [(home / name, f"/root/{name}") for name in HOME_SETTINGS]
    pairs += [(Path(value), value) for name, value in settings().items() if value.startswith("/") and Path(value).is_file()]
    for source, place in pairs:
        target = root / place.lstrip("/")
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        elif source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)


def settings() -> dict[str, str]:
    """Return the variables by which this machine's package clients are told where to go."""
    return {name: value for name, value in os.environ.items() if VARIABLE.match(name)}


@contextmanager
def debian() -> Iterator[Path]:
    """A new Debian root; nothing of it is left behind."""
    folder = Path(tempfile.mkdtemp(prefix="bowerbird-fresh-", dir="/var/tmp"))
    try:
        folder.chmod(0o755)
        root = folder / "root"
        subprocess.run(["debootstrap", "--variant=minbase", SUITE, str(root), mirror()], check=True, stdout=subprocess.DEVNULL)
        carry(root)
        subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(root / CHECKOUT.lstrip("/"))], check=True)
        yield root
    finally:
        remove(folder)


def remove(folder: Path) -> None:
    """Remove the root, unless something is still mounted below it."""
    mounts = Path("/proc/self/mounts").read_text()
    if str(folder) in mounts:
        raise RuntimeError(f"something is still mounted below {folder}; it is left as it is")
    shutil.rmtree(folder)


def inside(root: Path, command: str, enter: str = ENTER) -> int:
    """Run a shell command in the new Debian and return its exit code; what it started ends with it."""
    environment = {**settings(), "HOME": "/root", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "TERM": "dumb"}
    namespaces = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
    command = f"cd {shlex.quote(CHECKOUT)} && {command}"
    return subprocess.run([*namespaces, "sh", "-c", enter, "enter", str(root), command], env=environment, check=False).returncode


def received() -> int:
    """Return the bytes that this machine received from other machines so far."""
    lines = Path("/proc/net/dev").read_text().splitlines()[2:]
    fields = [line.replace(":", " ").split() for line in lines]
    return sum(int(words[1]) for words in fields if words[0] != "lo")


def measured(root: Path, command: str) -> int:
    """Run a command in the new Debian and say how long it took, what it received and what it left on the disk."""
    began, bytes_before = time.monotonic(), received()
    print(f"--- {command}", flush=True)
    code = inside(root, command)
    disk = subprocess.run(["du", "-sm", str(root)], capture_output=True, text=True, check=True).stdout.split()[0]
    took, megabytes = time.monotonic() - began, (received() - bytes_before) / 1e6
    print(f"--- exit code {code}; {took:.0f} s; received {megabytes:.0f} MB; the whole Debian now takes {disk} MiB", flush=True)
    return code


def stop(_signal: int, _frame: FrameType | None) -> None:
    """Turn SIGTERM into an exit that ends the namespaces and removes the root."""
    sys.exit(STOPPED)


def main(arguments: Sequence[str]) -> int:
    """Run `up`, `status`, `down` and then the tests in a new Debian; return the first exit code that is not 0."""
    signal.signal(signal.SIGTERM, stop)
    lacking = [tool for tool in TOOLS if shutil.which(tool) is None]
    if os.geteuid() != 0 or lacking:
        print(f"bowerbird: test --fresh needs root and {', '.join(lacking or TOOLS)}", file=sys.stderr)
        return TROUBLE
    up = "./bowerbird up --detach && ./bowerbird status && ./bowerbird down"
    try:
        with debian() as root:
            return measured(root, up) or measured(root, shlex.join(["./bowerbird", "test", *arguments]))
    except subprocess.CalledProcessError as error:
        said = f"{error.cmd[0]} ended with exit code {error.returncode}; mend what it says above"
        print(f"bowerbird: the new Debian could not be made: {said}", file=sys.stderr)
        return TROUBLE
