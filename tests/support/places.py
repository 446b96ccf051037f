"""The places in which a program's expectations are checked, each with two people's processes in it.

A native directory proves that the check is right: it runs there as everywhere.
"""

import contextlib
import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bowerbird_config.paths import Var
from bowerbird_config.platform import Platform

from tests.support.data_rig import DataRig, Person, member, record
from tests.support.resident import Resident

NATIVE, HOME, TEAM, VIEWS = "native directory", "home", "team's space", "two views"


@dataclass(frozen=True)
class Place:
    """A fresh directory and two processes in it: of one person, but in two views of two people."""

    kind: str
    one: Resident
    other: Resident
    at: str
    backing: Path

    def do(self, code: str, **values: object) -> Any:
        """Run code in the first process and return its answer."""
        return self.one.do(code, self.at, **values)

    def then(self, code: str, **values: object) -> Any:
        """Run code in the other process and return its answer."""
        return self.other.do(code, self.at, **values)

    def begin(self, code: str, **values: object) -> None:
        """Start code in the first process; `one.finish` has its answer."""
        self.one.begin(code, self.at, **values)

    def sh(self, command: str) -> str:
        """Run a shell command as who runs the first process, and return what it said; it must succeed."""
        return _in(self.one.person, self.at).sh(command)

    def sh_then(self, command: str) -> str:
        """Run a shell command as who runs the other process."""
        return _in(self.other.person, self.at).sh(command)


def _in(person: Person, at: str) -> Person:
    return Person(person.record, person.path / at)


class Places:
    """One keeper for many checks; interpreters start when they are first needed and end with `end`."""

    def __init__(self, rig: DataRig) -> None:
        self.rig = rig
        self.native = rig.var.root / "native"
        self.native.mkdir(mode=0o700)
        ann = rig.records["ann"]
        self._people = {"native": Person(ann, self.native)}
        os.chown(self.native, ann.uid, ann.gid)
        self._residents: dict[tuple[str, int], Resident] = {}
        self._numbers = itertools.count()

    def place(self, kind: str) -> Place:
        """Make a fresh directory in a place of this kind."""
        name = f"check{next(self._numbers)}"
        backing = {NATIVE: self.native, HOME: self.rig.var.homes / "ann"}.get(kind, self.rig.var.spaces / "ant")
        at = {NATIVE: "", HOME: "home/"}.get(kind, "teams/ant/") + name
        one = self.resident("native" if kind == NATIVE else "ann")
        other = self.resident("bob") if kind == VIEWS else self.resident("native" if kind == NATIVE else "ann", 1)
        one.do("os.mkdir(place)", place=at)
        return Place(kind, one, other, at, backing / name)

    def resident(self, who: str, number: int = 0) -> Resident:
        """Return one of somebody's interpreters."""
        resident = self._residents.get((who, number))
        if resident is not None and not resident.free:
            resident.close()  # a check failed while it was at work: the next one starts with another
            resident = None
        self._residents[who, number] = resident or Resident(self.person(who))
        return self._residents[who, number]

    def person(self, who: str) -> Person:
        """Return somebody at the top of their view, which is mounted when it is first needed."""
        if who not in self._people:
            self._people[who] = self.rig.mount(who)
        return self._people[who]

    def keeper_of_things(self, who: str, *modules: str) -> Resident:
        """Start an interpreter that keeps what its pieces leave, and has these modules; it ends with the others."""
        self._residents[who, -next(self._numbers) - 1] = resident = Resident(self.person(who), keep=True, modules=modules)
        return resident

    def end(self) -> None:
        """End all interpreters."""
        for resident in self._residents.values():
            resident.close()


@contextlib.contextmanager
def places_in(root: Path, platform: Platform) -> Iterator[Places]:
    """Start a keeper with the views of two members of a team, and leave nothing of it."""
    rig = DataRig(Var(root / "var"), platform)
    rig.feed.start()
    rig.know(record("ann", member("ant")), record("bob", member("ant"), member("bee")), record("cleo", member("ant")))
    places = None
    try:
        rig.start()
        places = Places(rig)
        yield places
        assert "Traceback" not in rig.log.read_text()
    finally:
        if places is not None:
            places.end()
        rig.clear()
