"""Memory that cutouts are made in, one after the other: rooms keep what is in them until they are taken back."""

import os
from contextlib import closing

from bowerbird.scratch import Room, Scratch


def test_rooms_lie_beside_each_other_and_keep_what_is_in_them() -> None:
    with closing(Scratch()) as held:
        rooms = [held.room(length) for length in (10, 20, 3 << 20)]
        for number, room in enumerate(rooms, start=1):
            room.view[:] = bytes([number]) * len(room.view)
        assert [bytes(room.view) for room in rooms] == [b"\1" * 10, b"\2" * 20, b"\3" * (3 << 20)]


def test_what_is_written_to_the_descriptor_is_in_the_room() -> None:
    with closing(Scratch()) as held:
        held.room(100)
        room = held.room(5)
        assert room.descriptor is not None
        os.pwrite(room.descriptor, b"hello", room.offset)
        assert bytes(room.view) == b"hello"
        assert bytes(room.part(2).view) == b"he"


def test_memory_is_used_again_but_not_that_of_a_large_cutout() -> None:
    held = Scratch(most_kept=1 << 21)
    first = held.room(10).descriptor
    held.clear()
    again = held.room(10)
    assert (again.descriptor, again.offset) == (first, 0)
    held.room(1 << 22)
    held.clear()
    assert held.room(10).view.nbytes == 10
    held.close()


def test_a_room_of_its_own_is_zeros() -> None:
    assert bytes(Room.of(3).view) == bytes(3)
