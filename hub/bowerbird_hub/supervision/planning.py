"""From what `up` was asked for to what is started: the directory set up, the platform file read, the ports chosen."""

import importlib.metadata
import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from bowerbird_config.install import Install
from bowerbird_config.load import ConfigError, load
from bowerbird_config.paths import Var
from bowerbird_config.platform import PROCESS, Platform
from bowerbird_config.remembered import file_of_last_start, read_last_good
from bowerbird_hub.origins import Origins
from bowerbird_hub.runtimes.places import servers_directory
from bowerbird_hub.runtimes.sandbox import PROXY_ID
from bowerbird_hub.state import layout, secret_files
from bowerbird_hub.state.state_files import write_json, write_text
from bowerbird_hub.supervision import machine, ports, records, sweep
from bowerbird_hub.supervision.away import write_page
from bowerbird_hub.supervision.parts import NAMES, Plan, tls_directory
from bowerbird_hub.supervision.proxy_scripts import write_scripts

_UPGRADE_SECONDS = 300.0


class CannotStart(Exception):
    """A platform cannot be started; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Request:
    """What `up` was asked for; without a file, the one that this directory ran with last."""

    install: Install
    var: Var
    file: Path | None = None
    port: int | None = None


def platform_file(request: Request) -> Path:
    """Return the platform file to start with."""
    if request.file is not None:
        return request.file
    last, own = file_of_last_start(request.var), request.var.own_platform
    return last or (own if own.exists() else request.install.default_platform)


def started_file(request: Request) -> Path:
    """Return the platform file that runs then: of the default one a copy, which is the admin's to edit."""
    file, install = platform_file(request), request.install
    return request.var.own_platform if file == install.default_platform and install.recipe.exists() else file


def is_of_another_file(request: Request) -> bool:
    """Tell whether another file was asked for than the one that this directory ran with last."""
    last = file_of_last_start(request.var)
    return last is not None and os.path.realpath(last) != os.path.realpath(started_file(request))


def read_platform(request: Request) -> Platform:
    """Return the platform that the file describes; where it is broken, the last good one if that one still runs."""
    try:
        return for_this_machine(platform_file(request))
    except ConfigError:
        last = None if is_of_another_file(request) or not living_parts(request.var) else read_last_good(request.var.platform)
        if last is None:
            raise
    return last


def for_this_machine(file: Path) -> Platform:
    """Return the platform that the file describes; CannotStart where it is a cluster's."""
    platform = load(file)
    if platform.runtime.kind != PROCESS:
        raise CannotStart(
            f"{file} is for a cluster (runtime.kind: {platform.runtime.kind}); 'bowerbird render -f {file}' prints what runs there"
        )
    return platform


def living_parts(var: Var) -> list[str]:
    """Return the parts that run, whoever started them."""
    found = ((name, records.read(var.run / "parts", name)) for name in NAMES)
    return [name for name, record in found if record and record.process]


def plan_for(request: Request, platform: Platform, say: Callable[[str], None]) -> Plan:
    """Set the claimed directory up and return what is started in it. LayoutError, CannotStart or NoFreePort where that fails."""
    var = request.var
    for line in layout.prepare(var):
        say(line)
    secret_files.make_secrets(var)
    _upgrade_database(request, say)
    file = _dated_copy(request)
    # Our own copy goes where the state directory goes, so that its path is not written down.
    write_json(var.last_start, {"platform_file": None if file == var.own_platform else str(file)})
    _copy_tls(var, platform)
    # The proxy sees the servers' sockets through this directory, so it is there before the proxy is.
    servers_directory(var).mkdir(mode=0o711, exist_ok=True)
    chosen = _ports(request, platform, say)
    write_page(var, platform, Origins.of(platform, chosen.public).home)
    write_scripts(var)
    return Plan(
        install=request.install,
        var=var,
        platform_file=file,
        platform=platform,
        ports=chosen,
        as_root=machine.is_root(),
        token=secret_files.read_secret(var, "proxy-token"),
        supervisor_token=secret_files.read_secret(var, "supervisor-token"),
        environment=environment_for_parts(os.environ),
        with_keeper=machine.mounts_data(),
    )


def _copy_tls(var: Var, platform: Platform) -> None:
    """Put certificate and key where the proxy can read them, and nobody else."""
    tls, place, owner = platform.runtime.tls, tls_directory(var), PROXY_ID if machine.is_root() else os.geteuid()
    if tls is None:
        return
    place.mkdir(mode=0o700, exist_ok=True)
    for name, source in (("certificate.pem", tls.certificate), ("key.pem", tls.key)):
        try:
            write_text(place / name, Path(source).read_text(), 0o400)
        except OSError as error:
            raise CannotStart(f"{source} cannot be read ({error.strerror}); `runtime.tls` names it") from error
        os.chown(place / name, owner, owner)
    os.chown(place, owner, owner)


def environment_for_parts(ours: Mapping[str, str]) -> dict[str, str]:
    """Return what of our environment the parts get: all but the settings of another platform or hub."""
    kept = ("BOWERBIRD_SECRET_", "BOWERBIRD_PYTHON")
    dropped = ("BOWERBIRD_", "JUPYTERHUB_", "CONFIGPROXY_")
    return {name: value for name, value in ours.items() if name.startswith(kept) or not name.startswith(dropped)}


def _dated_copy(request: Request) -> Path:
    """Return the platform file; the default one is copied, so that its pretended date is a year after the set-up."""
    install, file, own = request.install, platform_file(request), started_file(request)
    if own == file:
        return file
    date = ("--platform-date", layout.set_up_at(request.var))
    argv = (str(install.hub_python), str(install.recipe), "--platform-from", str(file), "--platform-to", str(own), *date)
    # In a session of its own, so that a Ctrl-C waits until the copy is whole.
    made = subprocess.run(argv, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, start_new_session=True)
    if made.returncode:
        raise CannotStart(f"the platform file could not be copied to {own}: {made.stderr.strip()}")
    # It names what is hidden: teams, their people, releases that are not announced.
    own.chmod(0o600)
    return own


def _upgrade_database(request: Request, say: Callable[[str], None]) -> None:
    var, version = request.var, importlib.metadata.version("jupyterhub")
    if layout.needs_database_upgrade(var, version) and not living_parts(var):
        saved = layout.save_databases(var, "before-upgrade-db")
        argv = (str(request.install.hub_python), "-m", "jupyterhub", "upgrade-db", f"--db=sqlite:///{var.database}")
        with (var.logs / "upgrade-db.log").open("ab") as log:
            done = subprocess.run(
                argv, cwd=var.hub, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False, timeout=_UPGRADE_SECONDS
            )
        if done.returncode:
            raise CannotStart(f"the hub's database could not be upgraded; as it was: {saved}; log: {log.name}")
        say(f"upgraded the hub's database for JupyterHub {version}; as it was: {saved}")
    layout.note_database_version(var, version)


def refuse_taken_port(request: Request, platform: Platform) -> None:
    """CannotStart where the port that was asked for is not to be had; only that of the platform file may give way to another."""
    known = ports.read(request.var)
    own = known.public if known and living_parts(request.var) else None
    if request.port and request.port != own and not ports.is_free(platform.runtime.address, request.port):
        raise CannotStart(
            f"port {request.port} is taken or kept for root, and nothing was started; end what listens there, "
            "or give another --port, 0 for any free one"
        )


def _ports(request: Request, platform: Platform, say: Callable[[str], None]) -> ports.Ports:
    address = platform.runtime.address
    wanted = platform.runtime.port if request.port is None else request.port
    chosen = ports.choose(address, wanted)
    known = ports.read(request.var, otherwise=chosen)
    if known and (living_parts(request.var) or sweep.servers(request.var)):
        # What lives knows the others by their ports.
        chosen = replace(known, public=chosen.public) if request.port not in {None, 0, known.public} else known
    elif wanted and chosen.public != wanted:
        say(f"port {wanted} is taken or kept for root, so it is port {chosen.public}; --port N asks for another")
    ports.write(request.var, chosen)
    return chosen
