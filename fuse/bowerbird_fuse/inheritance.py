"""What an earlier keeper left of a mount: its device and all beside it, from the holder, or from the worker that serves it."""

import logging
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bowerbird_fuse import wire
from bowerbird_fuse.mount import Device
from bowerbird_fuse.processes import Process
from bowerbird_fuse.records import MountRecord, Records
from bowerbird_fuse.remains import Remains

log = logging.getLogger(__name__)
_PATIENCE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Inheritance:
    """A mount that can be served on; `process` is its worker where that lives."""

    device: Device
    remains: Remains
    process: Process | None

    def close(self) -> None:
        """Let go of it."""
        os.close(self.device.fd)
        self.remains.close()
        if self.process is not None:
            self.process.close()


def inherit(record: MountRecord, records: Records) -> Inheritance | None:
    """Return what is left of that mount; None where nobody has its descriptors any more, or its calls could not be answered."""
    process = Process.find(record.pid, record.ticks)
    fds = records.held.take(record.kept_as) or _of_worker(record, process)
    if not _are_a_mounts(fds):
        wire.close_all(fds)
        _end(process)
        return None
    device = Device(fds[0], bytes.fromhex(record.init), record.connection)
    left = Inheritance(device, Remains.of(fds[1:]), process)
    if process is None and device.is_asked and not device.asks_again:
        # Calls that the dead worker had taken would wait for ever in this mount.
        left.close()
        records.held.drop(record.kept_as)
        return None
    return left


def _of_worker(record: MountRecord, process: Process | None) -> list[int]:
    fds: list[int] = []
    if process is None:
        return fds
    try:
        for number in (record.device, *record.remains):
            fds.append(process.duplicate(number))
    except OSError as error:
        log.warning("worker %d of %s does not hold what it should: %s", record.pid, record.user, error)
    return fds


def _are_a_mounts(fds: Sequence[int]) -> bool:
    if len(fds) < 2:  # noqa: PLR2004  device and journal
        return False
    return os.fstat(fds[0]).st_rdev == Path("/dev/fuse").stat().st_rdev and stat.S_ISREG(os.fstat(fds[1]).st_mode)


def _end(process: Process | None) -> None:
    if process is not None:
        process.end(_PATIENCE_SECONDS)
        process.close()
