"""Inode numbers, lookup counts and places: which node the kernel means by a number, kept across a worker's restart.

A node is known by its place, (parent, name), so that a directory's rename moves all below it. What a store has carries its
(device, inode) too: a place where something else lies by now is a stale one. A number is the store's own inode
where that is free, so that it is the same in the next worker and after the next mount.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from bowerbird_fuse.errors import StaleNode
from bowerbird_fuse.journal import Journal, Line, Mark
from bowerbird_fuse.released import Released

ROOT = 1
# Numbers that no disk gives: those of folders, links and texts that the view itself makes, and of doubles.
_MADE_FROM = 1 << 62
# Further names that are remembered of one file; one that was forgotten is found again by the kernel's next lookup.
_ALIASES = 64

Key = tuple[int, int]
Place = tuple[int, bytes]


@dataclass(slots=True)
class Node:
    """One inode that the kernel knows; `key` is None for what the view itself makes.

    `inherited` are those of an earlier worker: how often the kernel looked them up then is not known.
    """

    id: int
    parent: int
    name: bytes
    key: Key | None
    lookups: int = 0
    inherited: bool = False
    aliases: set[Place] | None = field(default=None)
    # Size and times of a file at its last opening, if it had been left alone for a while then.
    settled: tuple[int, int, int] | None = None

    @property
    def place(self) -> Place:
        """Where it was last seen."""
        return (self.parent, self.name)


class Inodes:
    """Every node that the kernel knows."""

    def __init__(self, journal: Journal, released: Released | None = None) -> None:
        self._journal = journal
        self.released = Released() if released is None else released
        # Inodes of which two disks have one: numbers of which the companion never hears again.
        self._doubled: set[int] = set()
        self._nodes = {ROOT: Node(ROOT, ROOT, b"", None, 1)}
        self._by_key: dict[Key, Node] = {}
        self._made: dict[Place, Node] = {}
        self._next = _MADE_FROM

    def __getitem__(self, number: int) -> Node:
        node = self._nodes.get(number) or self._take(number)
        if node is None:
            raise StaleNode(f"no node {number}")
        return node

    def _take(self, number: int) -> Node | None:
        """Take a node over from the companion."""
        taken = self.released.take_node(number)
        if taken is None:
            return None
        return self._add(Node(number, taken.parent, taken.name, (taken.device, number), taken.lookups))

    def __contains__(self, number: int) -> bool:
        return number in self._nodes

    def __len__(self) -> int:
        return len(self._nodes) + self.released.count

    def made(self) -> list[Node]:
        """Return every known node that the view itself makes, and the root."""
        return [self._nodes[ROOT], *self._made.values()]

    def seen(self, parent: int, name: bytes, key: Key | None, count: int = 1) -> Node:
        """Return the node of what was found there, with `count` more lookups of the kernel's."""
        place = (parent, name)
        node = self.known(parent, name, key)
        if node is None:
            node = self._add(Node(self._number(key), parent, name, key))
            self._note(node)
        elif node.name != name or node.parent != parent:
            node.aliases = {node.place, *list(node.aliases or ())[:_ALIASES]} - {place}
            self._move(node, place)
        node.lookups += count
        return node

    def known(self, parent: int, name: bytes, key: Key | None) -> Node | None:
        """Return the node of what was found there, if the kernel knows it."""
        if key is None:
            return self._made.get((parent, name))
        if key not in self._by_key:
            self._take(key[1])
        return self._by_key.get(key)

    def moved(self, node: Node, old: Place, new: Place) -> None:
        """Take note that one of its names is another now."""
        if node.aliases:
            node.aliases.discard(old)
        if node.place == old:
            self._move(node, new)

    def unnamed(self, node: Node, place: Place, last: bool) -> None:
        """Take note that one of its names is gone; after the `last` one its inode may be given to another file."""
        if node.aliases:
            node.aliases.discard(place)
        if last and node.key is not None:
            self.unkeyed(node.id)
            self._journal.note(Mark.GONE, node.id)
        elif node.place == place and node.aliases:
            self._move(node, node.aliases.pop())

    def unkeyed(self, number: int) -> None:
        """Know a node no more by its inode, which may be another file's by now."""
        node = self._nodes.get(number)
        if node is not None and node.key is not None and self._by_key.get(node.key) is node:
            del self._by_key[node.key]
            self.released.keep_out(number)

    def forget(self, number: int, count: int) -> None:
        """Take away lookups, and the node with the last of them."""
        node = self._nodes.get(number)
        if node is None or number == ROOT:
            return
        # The kernel takes back all of its lookups at once when it drops an inode, an earlier worker's included.
        if count < node.lookups or (node.inherited and count == node.lookups):
            node.lookups -= count
            return
        self._drop(node)
        self._journal.note(Mark.FORGET, number)

    def forget_inherited(self, number: int) -> None:
        """Read in the journal that the kernel had forgotten a node."""
        node = self._nodes.get(number)
        if node is not None:
            self._drop(node)

    def _drop(self, node: Node) -> None:
        del self._nodes[node.id]
        if node.id in self._doubled:
            self.released.keep_out(node.id)
        else:
            self.released.let_in(node.id)
        if node.key is None:
            self._made.pop(node.place, None)
        elif self._by_key.get(node.key) is node:
            del self._by_key[node.key]

    def below(self, ancestors: Iterable[int]) -> list[Node]:
        """Return every known node under one of these, themselves not."""
        tops = frozenset(ancestors)
        if not tops:
            return []
        for number in self.released.numbers():
            self._take(number)
        inside, outside = set(tops), {ROOT} - tops
        return [node for node in self._nodes.values() if self._leads_into(node, inside, outside) and node.id not in tops]

    def _leads_into(self, node: Node, inside: set[int], outside: set[int]) -> bool:
        way: dict[int, None] = {}
        number = node.id
        while number not in inside and number not in outside:
            above = self._nodes.get(number)
            if above is None or number in way:
                outside.add(number)
                break
            way[number] = None
            number = above.parent
        (inside if number in inside else outside).update(way)
        return number in inside

    def restore(self, number: int, parent: int, name: str, device: int, inode: int) -> None:
        """Take over a node of an earlier worker."""
        key = None if device < 0 else (device, inode)
        known = self._nodes.get(number)
        if known is not None:
            self._move(known, (parent, os.fsencode(name)), note=False)
        else:
            self._add(Node(number, parent, os.fsencode(name), key, inherited=True))
        self._next = max(self._next, number + 1)

    def lines(self) -> Iterator[Line]:
        """Yield what the journal has to say of every node."""
        for node in self._nodes.values():
            if node.id != ROOT:
                yield self._line(node)
            if node.key is not None and self._by_key.get(node.key) is not node:
                yield Mark.GONE, node.id

    def _add(self, node: Node) -> Node:
        self._nodes[node.id] = node
        if node.key is None:
            self._made[node.place] = node
            self._tell(node)
            return node
        self._by_key[node.key] = node
        self._tell(node)
        if node.key[1] != node.id:
            self._doubled.add(node.key[1])
            if node.key[1] not in self._nodes:  # inherited from a worker that had both
                self.released.keep_out(node.key[1])
        return node

    def _move(self, node: Node, place: Place, note: bool = True) -> None:
        if node.key is None:
            self._made.pop(node.place, None)
            self._made[place] = node
        node.parent, node.name = place
        self._tell(node)
        if note:
            self._note(node)

    def _tell(self, node: Node) -> None:
        """Let the companion know where a node lies that it may find; a double it would find by another's number."""
        if node.key is not None and node.key[1] == node.id and self._by_key.get(node.key) is node:
            self.released.keep_out(node.id, node.parent, node.key[0], node.name)
        else:
            self.released.keep_out(node.id)

    def _note(self, node: Node) -> None:
        self._journal.note(*self._line(node))

    def _line(self, node: Node) -> Line:
        return Mark.NODE, node.id, node.parent, os.fsdecode(node.name), *(node.key or (-1, -1))

    def _number(self, key: Key | None) -> int:
        if key is not None and ROOT < key[1] < _MADE_FROM and key[1] not in self._nodes:
            return key[1]
        number, self._next = self._next, self._next + 1
        return number
