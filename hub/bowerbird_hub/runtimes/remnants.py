"""What single-user servers leave on this machine beside their processes: control groups, sockets, what they were told."""

import shutil
from collections.abc import Collection

from bowerbird_config.paths import Var
from bowerbird_hub.runtimes import cgroups
from bowerbird_hub.runtimes.cgroups import Bases
from bowerbird_hub.runtimes.places import mark_of, runtime_directory, servers_directory, told_directory
from bowerbird_hub.supervision import machine


def end_groups(var: Var, bases: Bases, kept: Collection[str] = ()) -> set[str]:
    """End each control group of this platform's servers, with whatever is in one, but those of the kept marks; returns the marks."""
    found = cgroups.groups_of(bases, f"{mark_of(var)}-")
    ended = found.keys() - set(kept)
    for mark in ended:
        found[mark].end()
    return ended


def remove_files(var: Var, kept: Collection[str] = ()) -> None:
    """Remove the files of all servers but those of the kept marks."""
    prefix = f"{mark_of(var)}-"
    keys = {mark.removeprefix(prefix) for mark in kept}
    places = [path for directory in (servers_directory(var), told_directory(var)) for path in directory.glob("*") if path.name not in keys]
    places += [path for path in runtime_directory(prefix).parent.glob(f"{prefix}*") if path.name not in kept]
    for path in places:
        shutil.rmtree(path, ignore_errors=True)


def clear(var: Var) -> None:
    """Leave nothing of any server; all have ended."""
    end_groups(var, cgroups.detect() if machine.is_root() else {})
    remove_files(var)
    shutil.rmtree(servers_directory(var), ignore_errors=True)
