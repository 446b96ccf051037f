"""What the native companion answers by itself (native/released.h): nodes and open files that Python has not heard of.

Each belongs to one side. Whoever looks for one here takes it over first; and what Python has, it keeps the companion out of.
Without the companion, and before it is told of a journal, nothing is ever there.
"""

import ctypes
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from bowerbird_fuse import native
from bowerbird_fuse.grant import WRITE_BITS, Grant

_uint64, _uint32, _int32 = ctypes.c_uint64, ctypes.c_uint32, ctypes.c_int32
# For so long a directory of a space is stood in: then it is looked for where it lies once more.
_STAND_NS = 1_000_000_000
# linux/time.h: CLOCK_MONOTONIC_COARSE.
_COARSE = 6


class _Stand(ctypes.Structure):
    """`struct stand`."""

    _fields_ = (
        ("fd", _int32),
        ("group", _uint32),
        ("seconds", _uint32),
        ("grant", _uint32),
        ("large", _uint64),
        ("until", _uint64),
        ("space", _uint32),
        ("moment", _uint32),
        ("own", _uint32),
        ("hidden", _uint32),
    )


class _TakenNode(ctypes.Structure):
    """`struct taken` of native/nodes.c."""

    _fields_ = (("parent", _uint64), ("device", _uint64), ("lookups", _uint64), ("name", ctypes.c_char * 256))


class _TakenOpening(ctypes.Structure):
    """`struct taken` of native/openings.c."""

    _fields_ = (("handle", _uint64), ("node", _uint64), ("flags", _uint32), ("grant", _uint32), ("fd", _int32))


@dataclass(frozen=True, slots=True)
class TakenNode:
    """A node that was taken over."""

    number: int
    parent: int
    name: bytes
    device: int
    lookups: int


@dataclass(frozen=True, slots=True)
class TakenOpening:
    """An open file that was taken over, with the right that it was opened by."""

    handle: int
    node: int
    flags: int
    fd: int
    grant: Grant


@dataclass
class Released:
    """The companion's side; `journal` is the descriptor that it notes in, None for a side where nothing is."""

    journal: int | None = None
    _grants: list[Grant] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._library = native.library() if self.journal is not None else None
        self._last = _uint64(0)
        self._nodes = self._openings = _uint64(0)
        if self._library is not None:
            self._last = _uint64.in_dll(self._library, "bowerbird_last_handle")
            self._nodes = _uint64.in_dll(self._library, "bowerbird_nodes")
            self._openings = _uint64.in_dll(self._library, "bowerbird_openings")
            self._library.bowerbird_noted.restype = _uint64
            self._settling = _int32.in_dll(self._library, "bowerbird_settling")

    # Nodes.

    @property
    def count(self) -> int:
        """How many are here."""
        return self._nodes.value

    def keep_out(self, number: int, parent: int = 0, device: int = -1, name: bytes = b"") -> None:
        """Say that a number is Python's, and where it lies on a disk; without a name it lies on none, or nowhere any more."""
        if self._library is not None and self._library.bowerbird_keep_out(*map(_uint64, (number, parent, device)), name):
            raise MemoryError

    def let_in(self, number: int) -> None:
        """Say that a number is free."""
        if self._library is not None:
            self._library.bowerbird_let_in(_uint64(number))

    def take_node(self, number: int) -> TakenNode | None:
        """Take a node over; None where it is not here."""
        if self._library is None or not self._nodes.value:
            return None
        taken = _TakenNode()
        if not self._library.bowerbird_take_node(_uint64(number), ctypes.byref(taken)):
            return None
        return TakenNode(number, taken.parent, taken.name, taken.device, taken.lookups)

    def numbers(self) -> Sequence[int]:
        """Return the numbers of all nodes that are here."""
        numbers = (_uint64 * self.count)()
        if self._library is not None:
            self._library.bowerbird_numbers(numbers)
        return list(numbers)

    def stand(self, number: int, fd: int, grant: Grant, view_gid: int) -> None:
        """Let what lies in a directory be answered here; in one of a space for a moment."""
        if self._library is None:
            return
        index = next((index for index, known in enumerate(self._grants) if known is grant), len(self._grants))
        if index == len(self._grants):
            self._grants.append(grant)
        until = time.clock_gettime_ns(_COARSE) + _STAND_NS if grant.space else 0
        shown = view_gid if grant.shared or not grant.space else grant.gid
        hidden = 0 if grant.writable else WRITE_BITS
        by = _Stand(fd, shown, int(grant.seconds), index, grant.large, until, grant.space, grant.moment_ns, grant.gid, hidden)
        self._library.bowerbird_stand(_uint64(number), ctypes.byref(by))

    def leave(self, number: int) -> None:
        """Stand there no more; must come before the descriptor is closed."""
        if self._library is not None:
            self._library.bowerbird_stand(_uint64(number), None)

    def leave_all(self) -> None:
        """Stand nowhere, nor ask to."""
        if self._library is not None:
            self._library.bowerbird_stand_nowhere()

    # What was just looked up in a space.

    def held(self, number: int) -> int | None:
        """Return a descriptor of it, which the caller must not close; None where nothing is held."""
        fd = self._library.bowerbird_held(_uint64(number)) if self._library is not None else -1
        return None if fd < 0 else int(fd)

    def let_go(self, number: int) -> None:
        """Hold it no more."""
        if self._library is not None:
            self._library.bowerbird_let_go(_uint64(number))

    def let_go_older(self, seconds: int) -> None:
        """Hold nothing that was looked up longer ago."""
        if self._library is not None:
            self._library.bowerbird_let_go_older(_int32(seconds))

    def settle(self, waits: bool) -> None:
        """Say whether lookups in spaces are Python's, since the kernel has yet to forget something."""
        if self._library is not None:
            self._settling.value = waits

    # Listings.

    def list_by(self, handle: int, node: int, parent: int, names: Sequence[bytes]) -> bool:
        """Let a directory's names be told here; tells whether they are."""
        if self._library is None:
            return False
        text = b"\0".join(names) + b"\0"
        numbers = map(_uint64, (handle, node, parent))
        return not self._library.bowerbird_list_by(*numbers, text, ctypes.c_size_t(len(text)), _uint32(len(names)))

    def list_no_more(self, handle: int) -> None:
        """Let Python tell them again."""
        if self._library is not None:
            self._library.bowerbird_list_no_more(_uint64(handle))

    # Open files.

    def next_handle(self) -> int:
        """Return a number for an open file, which neither side has given yet."""
        self._last.value += 1
        return self._last.value

    def given(self, handle: int) -> None:
        """Take note that an earlier worker gave this number."""
        self._last.value = max(self._last.value, handle)

    def opened(self, node: int) -> None:
        """Take note that Python has one more open file of that node."""
        if self._library is not None:
            self._library.bowerbird_opened(_uint64(node))

    def closed(self, node: int) -> None:
        """Take note that it has one less."""
        if self._library is not None:
            self._library.bowerbird_closed(_uint64(node))

    def take_opening(self, handle: int) -> TakenOpening | None:
        """Take an open file over; None where it is not here."""
        return self._take("bowerbird_take_opening", handle)

    def take_openings(self, node: int = 0) -> Iterator[TakenOpening]:
        """Take over all open files of a node, or all."""
        while taken := self._take("bowerbird_take_opening_of", node):
            yield taken

    def _take(self, function: str, number: int) -> TakenOpening | None:
        if self._library is None or not self._openings.value:
            return None
        taken = _TakenOpening()
        if not self._library[function](_uint64(number), ctypes.byref(taken)):
            return None
        return TakenOpening(taken.handle, taken.node, taken.flags, taken.fd, self._grants[taken.grant])

    # The journal.

    def begin(self, most: int) -> None:
        """Answer from now on, with so many bytes of the journal."""
        if self._library is not None:
            self._library.bowerbird_note_in(self.journal)
            self.note_at_most(most)

    def noted(self) -> int:
        """Return how many bytes were written since the journal was written anew."""
        return int(self._library.bowerbird_noted()) if self._library is not None else 0

    def note_anew(self) -> None:
        """Write all that holds."""
        if self._library is not None:
            self._library.bowerbird_note_nodes()
            self._library.bowerbird_note_openings()
            self._library.bowerbird_write_notes()

    def note_at_most(self, size: int) -> None:
        """Write no more than so many bytes from now on until the journal is written anew."""
        if self._library is not None:
            self._library.bowerbird_note_at_most(_uint64(size))
