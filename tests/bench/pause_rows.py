"""How long people wait when a part of /data dies or is replaced, and whether any of their calls ends wrongly."""

import contextlib
import json
import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from bowerbird_config.paths import Var
from bowerbird_config.platform import Platform

from tests.bench.row import Row, meets
from tests.support.data_rig import DataRig, Person, eventually, record
from tests.support.exerciser import EXERCISER
from tests.support.platforms import described

_ROOT = Path(__file__).parents[2]
_LONG_SECONDS = 60.0
# Before each fault, so that a spare worker is warm again.
_STEADY_SECONDS = 4.0


def rows(rounds: int) -> list[Row]:
    """Measure the longest round of a program that reads, appends, makes, renames and unlinks, over each kind of fault."""
    with _rig() as rig:
        person = rig.mount("ann")
        faults: dict[str, Callable[[], None]] = {
            # What the machine's load alone does to a round of 22 calls.
            "nothing killed": lambda: None,
            "worker killed": lambda: os.kill(rig.worker("ann"), signal.SIGKILL),
            "keeper killed": lambda: _replace(rig, rig.kill_keeper),
            "keeper and worker killed": lambda: _replace(rig, lambda: _kill_both(rig)),
            "keeper upgraded": lambda: _replace(rig, rig.make_room),
        }
        goals = {"nothing killed": 0.3, "worker killed": 0.3}
        found: dict[str, list[float | None]] = {what: [] for what in faults}
        for n in range(rounds):
            for what, fault in faults.items():
                found[what].append(_longest(rig, person, f"{what}-{n}", fault))
    wrong = sum(pause is None for pauses in found.values() for pause in pauses)
    return [
        *(
            row
            for what, pauses in found.items()
            for row in _pauses(what, [pause for pause in pauses if pause is not None], goals.get(what, 3.0))
        ),
        Row.alone("P16b", "programs that met a wrong answer", [float(wrong)], unit="", goal=0, better="lower"),
    ]


def _pauses(what: str, pauses: list[float], goal: float) -> list[Row]:
    """Return what is usual, and the longest of all."""
    usual = Row.alone("P16", f"longest round: {what}", pauses, unit="s", goal=goal, better="lower")
    return [usual, replace(usual, what=f"{usual.what}, at worst", ours=max(pauses), met=meets(max(pauses), goal, "lower"))]


def _longest(rig: DataRig, person: Person, place: str, fault: Callable[[], None]) -> float | None:
    """Return the longest round over one fault; None where a call ended wrongly."""
    top = rig.var.homes / "ann" / place
    child = person.start(EXERCISER, place=place, rounds=10**9)
    try:
        eventually(lambda: (top / "started").exists() or child.poll() is not None, _LONG_SECONDS)
        time.sleep(_STEADY_SECONDS)
        fault()
        size = (top / "log").stat().st_size
        eventually(lambda: (top / "log").stat().st_size > size + 100 or child.poll() is not None, _LONG_SECONDS)
        (top / "stop").touch()
        out, _ = child.communicate(timeout=_LONG_SECONDS)
    finally:
        child.kill()
        child.communicate()
    return float(json.loads(out)["answer"][1]) if '"answer"' in out else None


def _kill_both(rig: DataRig) -> None:
    worker = rig.worker("ann")
    rig.kill_keeper()
    os.kill(worker, signal.SIGKILL)


def _replace(rig: DataRig, end: Callable[[], None]) -> None:
    end()
    rig.start()
    rig.worker("ann")


@contextlib.contextmanager
def _rig() -> Iterator[DataRig]:
    releases = {"dr2": {"title": "Second look", "public": True}}
    platform = Platform.model_validate(described(collections={"sky": {"title": "The sky", "releases": releases}}))
    with tempfile.TemporaryDirectory(dir=_ROOT / ".bowerbird", prefix="bench-") as folder:
        rig = DataRig(Var(Path(folder) / "var"), platform)
        rig.release("sky", "dr2", {"cubes/deep.fits": bytes(range(256)) * 4096})
        rig.feed.start()
        rig.know(record("ann"))
        try:
            rig.start()
            yield rig
        finally:
            rig.clear()
