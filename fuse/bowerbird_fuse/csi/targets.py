"""The directories that kubelet names to be mounted at, and nothing else of its own."""

import contextlib
import errno
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bowerbird_config.beneath import open_beneath

from bowerbird_fuse import mount
from bowerbird_fuse.csi.errors import Malformed

_PLUGIN, _LAST = "kubernetes.io~csi", "mount"
_POD_UID = re.compile(r"[0-9A-Za-z-]{1,64}")
_VOLUME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_DIRECTORY = os.O_PATH | os.O_DIRECTORY


@dataclass(frozen=True, slots=True)
class Target:
    """`PODS/POD_UID/volumes/kubernetes.io~csi/VOLUME/mount`, where `pods` is kubelet's directory of pods."""

    pods: Path
    pod_uid: str
    volume: str

    @classmethod
    def parse(cls, pods: Path, text: str) -> "Target":
        """Return the target that kubelet's path names; Malformed for any path that is not such a one."""
        with contextlib.suppress(ValueError):
            match Path(text).relative_to(pods).parts:
                case (uid, "volumes", kind, volume, last) if (kind, last) == (_PLUGIN, _LAST):
                    found = cls(pods, uid, volume)
                    if _POD_UID.fullmatch(uid) and _VOLUME.fullmatch(volume) and str(found) == text:
                        return found
        raise Malformed(f"{text!r} is no directory of a volume: it would be {pods}/POD/volumes/{_PLUGIN}/VOLUME/{_LAST}")

    def __str__(self) -> str:
        return str(self.pods / self._parent / _LAST)

    @property
    def _parent(self) -> Path:
        return Path(self.pod_uid, "volumes", _PLUGIN, self.volume)

    @property
    def path(self) -> Path:
        """The path as the kernel tells it of mounts."""
        return self.pods.resolve() / self._parent / _LAST

    def mounted(self, part: str = "") -> list[mount.MountPoint]:
        """Return what is mounted there, or at a part of it, the uppermost last."""
        return mount.mounted(self.path / part)

    def make(self) -> None:
        """Make the directory where it is not there; its parent is kubelet's to make."""
        with self._opened(self._parent) as parent, contextlib.suppress(FileExistsError):
            os.mkdir(_LAST, 0o750, dir_fd=parent)
        with self._opened(self._parent / _LAST):
            return

    def show(self, source: Path, part: str = "", *, read_only: bool) -> None:
        """Show what is at `source` here, or at a part of what is shown, on top of what may be there."""
        with self._opened(self._parent / _LAST / part) as directory:
            mount.bind(source, directory, read_only=read_only)

    def empty(self) -> None:
        """Take away every mount there."""
        mount.detach_below(self.path)

    def clear(self) -> None:
        """Take away every mount there, and the directory; one that is gone is gone."""
        try:
            with self._opened(self._parent) as parent:
                self.empty()
                os.rmdir(_LAST, dir_fd=parent)
        except FileNotFoundError:
            return

    @contextlib.contextmanager
    def _opened(self, path: Path) -> Iterator[int]:
        pods = mount.directory(self.pods)
        try:
            directory = open_beneath(pods, os.fsencode(path), _DIRECTORY)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENOTDIR):
                raise Malformed(f"a link or a file is on the way to {self}") from error
            raise
        finally:
            os.close(pods)
        try:
            yield directory
        finally:
            os.close(directory)
