"""What a process may see and be: a description, and the argv of bubblewrap and setpriv that makes it so. Pure.

bubblewrap runs as root and makes the namespaces; inside them setpriv gives up root for good. Nothing that the process
may write to is executed before that, so every program until then is named by its whole path.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

BWRAP = "/usr/bin/bwrap"
SETPRIV = "/usr/bin/setpriv"

# The platform's own unprivileged parts. Debian keeps these numbers for nobody's use, and no directory may give them to a person.
SERVICES_ID = 65_530
PROXY_ID = 65_531
CAS_ID = 65_532
SERVICE_ID = 65_533

# All of /etc that programs need to work; whatever else an administrator put there stays unseen.
ETC = (
    "alternatives",
    "bash.bashrc",
    "ca-certificates",
    "ca-certificates.conf",
    "debian_version",
    "esorex.rc",  # where Debian's esorex finds the instruments' recipes
    "fonts",
    "gai.conf",
    "host.conf",
    "hosts",
    "inputrc",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "locale.alias",
    "localtime",
    "magic",
    "mime.types",
    "nsswitch.conf",
    "os-release",
    "protocols",
    "resolv.conf",
    "services",
    "ssl/certs",
    "ssl/openssl.cnf",
    "terminfo",
    "timezone",
)
SYSTEM_LINKS = (("usr/bin", "/bin"), ("usr/sbin", "/sbin"), ("usr/lib", "/lib"), ("usr/lib64", "/lib64"))
ROOT = PurePosixPath("/")


@dataclass(frozen=True, slots=True)
class Bind:
    """A file or directory of this machine at a place inside; read-only unless said otherwise."""

    source: Path
    target: PurePosixPath
    writable: bool = False

    @classmethod
    def same(cls, path: Path, writable: bool = False) -> "Bind":
        """Show a path at its own place."""
        return cls(path, PurePosixPath(path), writable)


@dataclass(frozen=True, slots=True)
class Sandbox:
    """One process's world: who it is, what it sees, and whether it ends with whoever started it; a link is (target, place)."""

    command: tuple[str, ...]
    uid: int
    gid: int
    groups: tuple[int, ...] = ()
    binds: tuple[Bind, ...] = ()
    links: tuple[tuple[PurePosixPath, PurePosixPath], ...] = ()
    directory: PurePosixPath = ROOT
    hostname: str = "bowerbird"
    dies_with_parent: bool = True
    info_fd: int | None = None
    # What of root's might is kept, as setpriv names it.
    capabilities: tuple[str, ...] = ()


def argv(sandbox: Sandbox) -> list[str]:
    """Return the argv that runs the sandbox's command; who runs it is root."""
    world = (*_namespaces(sandbox), *_system(), *_binds(sandbox.binds), *_links(sandbox))
    return [BWRAP, *world, *_ending(sandbox), *_privileges(sandbox), *sandbox.command]


def _namespaces(sandbox: Sandbox) -> Iterator[str]:
    yield from ("--unshare-pid", "--unshare-ipc", "--unshare-uts", "--hostname", sandbox.hostname)
    if sandbox.dies_with_parent:
        yield "--die-with-parent"
    if sandbox.info_fd is not None:
        yield from ("--info-fd", str(sandbox.info_fd))


def _system() -> Iterator[str]:
    yield from ("--ro-bind", "/usr", "/usr")
    for source, target in SYSTEM_LINKS:
        yield from ("--symlink", source, target)
    yield from ("--perms", "0755", "--dir", "/etc", "--perms", "0755", "--dir", "/etc/ssl")
    for name in ETC:
        yield from ("--ro-bind-try", f"/etc/{name}", f"/etc/{name}")
    yield from ("--proc", "/proc", "--dev", "/dev")
    for place in ("/dev/shm", "/tmp"):  # noqa: S108  a file system of its own, which nobody else sees
        yield from ("--perms", "1777", "--tmpfs", place)
    for place in ("/home", "/run", "/var"):
        yield from ("--perms", "0755", "--dir", place)
    yield from ("--symlink", "../tmp", "/var/tmp")  # noqa: S108  the sandbox's own


def _binds(binds: tuple[Bind, ...]) -> Iterator[str]:
    # bubblewrap makes missing parents 0700, which the process itself could not pass.
    made = {PurePosixPath(place) for place in ("/", "/etc", "/home", "/run", "/tmp", "/usr", "/var")}  # noqa: S108  as above
    for bind in binds:
        for parent in reversed(bind.target.parents):
            if parent not in made:
                made.add(parent)
                yield from ("--perms", "0755", "--dir", str(parent))
        yield from ("--bind" if bind.writable else "--ro-bind", str(bind.source), str(bind.target))


def _links(sandbox: Sandbox) -> Iterator[str]:
    for target, place in sandbox.links:
        yield from ("--symlink", str(target), str(place))


def _ending(sandbox: Sandbox) -> Iterator[str]:
    yield from ("--chdir", str(sandbox.directory), "--")


def _privileges(sandbox: Sandbox) -> Iterator[str]:
    yield from (SETPRIV, "--reuid", str(sandbox.uid), "--regid", str(sandbox.gid))
    yield from ("--groups", ",".join(map(str, sandbox.groups))) if sandbox.groups else ("--clear-groups",)
    kept = ",".join(("-all", *(f"+{name}" for name in sandbox.capabilities)))
    yield from ("--no-new-privs", f"--bounding-set={kept}", f"--inh-caps={kept}", f"--ambient-caps={kept}", "--")
