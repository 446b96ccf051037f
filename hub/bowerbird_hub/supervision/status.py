"""What runs for a state directory: each process with its health and memory, each mount, and what is missing."""

import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bowerbird_config.absent import absences
from bowerbird_config.answers import problems_json
from bowerbird_config.install import Install
from bowerbird_config.load import ConfigError, load
from bowerbird_config.paths import Var
from bowerbird_config.problems import Problem
from bowerbird_config.room import START_BYTES
from bowerbird_hub.managed import VO_PATH
from bowerbird_hub.runtimes import cgroups, launch
from bowerbird_hub.runtimes.places import mark_of
from bowerbird_hub.state import layout
from bowerbird_hub.state.secret_files import read_secret
from bowerbird_hub.state.state_files import read_json
from bowerbird_hub.supervision import board, machine, records, sweep
from bowerbird_hub.supervision.parts import HOLDER, HUB, KEEPER, NAMES, PROXY, holder_probe, hub_probe, keeper_probe, proxy_probe
from bowerbird_hub.supervision.ports import read as read_ports
from bowerbird_hub.supervision.probes import Probe, order
from bowerbird_hub.supervision.processes import Process, environment, parent, resident_bytes, running_seconds
from bowerbird_hub.supervision.supervisor import Phase

OK = "ok"
GONE = "not running"
SUPERVISOR = "supervisor"
# Of what the keeper writes down of a space, in the order of SpaceStatus.
_FIGURES = ("space", "used", "trash", "hard", "level")


@dataclass(frozen=True, slots=True)
class ProcessStatus:
    """One part, service, server or worker; memory (PSS) includes the processes that it is made of."""

    name: str
    pid: int | None
    health: str
    memory_bytes: int = 0
    seconds: int = 0
    restarts: int = 0


@dataclass(frozen=True, slots=True)
class MountStatus:
    """One view under run/views."""

    user: str
    path: str
    worker_pid: int | None
    health: str


@dataclass(frozen=True, slots=True)
class SpaceStatus:
    """What one home or team's space uses, in bytes; `hard` is its limit, where it has one."""

    space: str
    used: int
    trash: int
    hard: int | None
    level: int


@dataclass(frozen=True, slots=True)
class MadeStatus:
    """Something that is made of the releases beside what runs: their tables, their surveys."""

    name: str
    state: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class Status:
    """All that `status` says."""

    var: str
    running: bool
    phase: str
    url: str | None
    platform_file: str | None
    demo_accounts: str | None
    processes: tuple[ProcessStatus, ...] = ()
    mounts: tuple[MountStatus, ...] = ()
    made: tuple[MadeStatus, ...] = ()
    spaces: tuple[SpaceStatus, ...] = ()
    missing: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    tap_url: str | None = None
    scs_url: str | None = None
    sia_url: str | None = None
    datalink_url: str | None = None
    soda_url: str | None = None
    hips_url: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the status as `--json` prints it; problems as `check --json` does."""
        return {**asdict(self), "problems": problems_json(self.problems)}


def status_of(var: Var) -> Status:
    """Return what runs for that directory, asked of the processes themselves."""
    told = board.told(var)
    views = _views(var)
    processes = _processes(var, told, [view for view in views if view.get("worker_pid")])
    health = {process.name: process.health for process in processes}
    up = health.get(HUB) == OK and health.get(PROXY) == OK
    problems, absent = _asked_of_the_file(told.get("platform_file"), var)
    return Status(
        var=str(var.root),
        running=up,
        phase=_phase(told, health, up=up),
        url=told.get("url"),
        platform_file=told.get("platform_file"),
        demo_accounts=told.get("demo_accounts"),
        processes=processes,
        mounts=_mounts(var, views),
        # What a supervisor that is gone had said is of no time that is known.
        made=tuple(MadeStatus(**row) for row in told.get("made", []) if health[SUPERVISOR] == OK),
        spaces=_spaces(var),
        missing=(*lacks(), *_room(var), *absent),
        problems=problems,
        tap_url=_of_tables(told.get("url"), "tap"),
        scs_url=_of_tables(told.get("url"), "scs"),
        sia_url=_of_tables(told.get("url"), "sia2/query"),
        datalink_url=_of_tables(told.get("url"), "datalink/links"),
        soda_url=_of_tables(told.get("url"), "soda/sync"),
        hips_url=_of_tables(told.get("url"), "hips/hipslist"),
    )


def _of_tables(url: str | None, protocol: str) -> str | None:
    """Return where that protocol's clients find the tables."""
    return f"{url}{VO_PATH}/{protocol}" if url else None


def lacks() -> tuple[str, ...]:
    """Return what is missing on this machine, each as a sentence."""
    return (*machine.lacks(), *(cgroups.missing() if machine.is_root() else ()))


def _room(var: Var) -> tuple[str, ...]:
    """Return what is to be said of a disk on which a platform would not start any more."""
    free = shutil.disk_usage(var.root).free if var.root.is_dir() else START_BYTES
    if free >= START_BYTES:
        return ()
    what = f"room on the disk of {var.root}: {free >> 20} MiB are left and a start needs {START_BYTES >> 20} MiB"
    return (f"{what}; what cannot be written there is refused or lost, also in logs and records. {layout.may_be_deleted(var)}",)


def _phase(told: dict[str, Any], health: dict[str, str], *, up: bool) -> str:
    if health[SUPERVISOR] == OK:
        return str(told.get("phase", "starting"))
    return "running, with nobody to restart what dies: `bowerbird up` takes it over" if up else "stopped"


def _processes(var: Var, told: dict[str, Any], views: list[dict[str, Any]]) -> tuple[ProcessStatus, ...]:
    supervisor = layout.holder(var)
    workers = {view["worker_pid"]: f"view of {view['user']}" for view in views}
    restarts = {workers[view["worker_pid"]]: view.get("restarts", 0) for view in views}
    restarts |= {part["name"]: int(part.get("restarts", 0)) for part in told.get("parts", [])}
    memory = _memory(var, workers)
    found = [_one(SUPERVISOR, supervisor, OK if supervisor else GONE, resident_bytes(supervisor.pid) if supervisor else 0)]
    probes = _probes(var, told)
    known = {part["name"]: part for part in told.get("parts", [])}
    for name in NAMES:
        record = records.read(var.run / "parts", name)
        process = record.process if record else None
        if process is None and name not in known:
            continue
        health = (probes[name]() or OK) if process and name in probes else _why_gone(known.get(name))
        found.append(_one(name, process, health, memory.pop(name, (0, None))[0], restarts.get(name, 0)))
    for name, (used, process) in sorted(memory.items()):
        found.append(_one(name, process, OK, used, restarts.get(name, 0)))
    return tuple(found)


def _one(name: str, process: Process | None, health: str, memory: int, restarts: int = 0) -> ProcessStatus:
    seconds = round(running_seconds(process)) if process else 0
    return ProcessStatus(name, process.pid if process else None, health, memory, seconds, restarts)


def _why_gone(part: dict[str, Any] | None) -> str:
    # A part that its supervisor, which is gone too, left ready has no more to say.
    return f"{GONE}: {part['phase']} {part['message']}".rstrip() if part and part["phase"] != Phase.READY else GONE


def _probes(var: Var, told: dict[str, Any]) -> dict[str, Probe]:
    ports = read_ports(var)
    if ports is None or "url" not in told:
        return {}
    return {
        PROXY: proxy_probe(told["url"], told.get("door"), ports, read_secret(var, "proxy-token")),
        HOLDER: holder_probe(var),
        KEEPER: keeper_probe(var),
        HUB: hub_probe(told["url"], told.get("door"), ports),
    }


def _memory(var: Var, workers: dict[int, str]) -> dict[str, tuple[int, Process | None]]:
    """Return the memory of each named thing that runs, with its first process; a nameless one belongs to its parent's."""
    names: dict[int, str] = {}
    used: dict[str, tuple[int, Process | None]] = {}
    for process in sweep.everything(var):  # parents before their children
        name = _name(process, var, workers) or names.get(parent(process) or 0) or "left over"
        names[process.pid] = name
        so_far, first = used.get(name, (0, None))
        used[name] = (so_far + resident_bytes(process.pid), first or process)
    return used


def _name(process: Process, var: Var, workers: dict[int, str]) -> str | None:
    if process.pid in workers:
        return workers[process.pid]
    told = environment(process.pid)
    if told.get(launch.MARK, "").startswith(mark_of(var)):
        server = told.get("JUPYTERHUB_SERVER_NAME")
        return f"server of {told.get('JUPYTERHUB_USER', 'somebody')}" + (f" ({server})" if server else "")
    for name in NAMES:
        record = records.read(var.run / "parts", name)
        if record and record.process == process:
            return name
    service = told.get("JUPYTERHUB_SERVICE_NAME")
    return f"service {service}" if service else None


def _views(var: Var) -> list[dict[str, Any]]:
    try:
        answer = order(var.keeper_socket, {"op": "status"})
    except (OSError, ValueError):
        return []
    views = answer.get("views")
    return views if isinstance(views, list) else []


def _spaces(var: Var) -> tuple[SpaceStatus, ...]:
    told = read_json(var.usage).get("spaces", {})
    whole = (figures for _, figures in sorted(told.items()) if figures.keys() >= set(_FIGURES))
    return tuple(SpaceStatus(*(figures[name] for name in _FIGURES)) for figures in whole)


def _mounts(var: Var, views: Iterable[dict[str, Any]]) -> tuple[MountStatus, ...]:
    served = {view["path"]: view for view in views}
    seen = [path for path in sweep.mounts_below(var.views) if Path(path) != var.views]
    known = [MountStatus(view["user"], path, view.get("worker_pid"), _view_health(view)) for path, view in served.items()]
    stale = [path for path in dict.fromkeys(seen) if path not in served]
    return (*known, *(MountStatus(Path(path).name, path, None, "nobody serves it") for path in stale))


def _view_health(view: dict[str, Any]) -> str:
    return OK if view.get("healthy") else view.get("trouble") or "no answer"


def _asked_of_the_file(platform_file: str | None, var: Var) -> tuple[tuple[Problem, ...], tuple[str, ...]]:
    """Return what is wrong with the platform file as it stands, and what it names that this machine does not have."""
    if platform_file is None:
        return (), ()
    try:
        platform = load(Path(platform_file))
    except ConfigError as error:
        return error.problems, ()
    return (), tuple(map(str, absences(Path(platform_file), platform, var.releases, Install.from_environment())))
