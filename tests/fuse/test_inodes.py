"""Inode numbers, lookup counts and places, and the journal that carries them over."""

import os
from collections.abc import Iterator

import pytest
from bowerbird_fuse.errors import StaleNode
from bowerbird_fuse.inodes import ROOT, Inodes
from bowerbird_fuse.journal import GROWN_BYTES, Journal, Mark, open_journal
from hypothesis import given
from hypothesis import strategies as st


@pytest.fixture
def journal() -> Iterator[Journal]:
    journal = Journal(open_journal("test"))
    yield journal
    os.close(journal.fd)


@pytest.fixture
def inodes(journal: Journal) -> Inodes:
    return Inodes(journal)


def read_again(journal: Journal) -> Inodes:
    again = Inodes(Journal(journal.fd))
    journal.flush()
    for mark, *values in journal.lines():
        if mark == Mark.NODE:
            again.restore(*values)
        elif mark == Mark.FORGET:
            again.forget_inherited(*values)
    return again


def test_number_is_the_stores_own(inodes: Inodes) -> None:
    assert inodes.seen(ROOT, b"a", (1, 77)).id == 77


def test_two_files_of_two_disks_never_share_a_number(inodes: Inodes) -> None:
    numbers = {inodes.seen(ROOT, name, key).id for name, key in [(b"a", (1, 77)), (b"b", (2, 77)), (b"c", (1, ROOT)), (b"d", None)]}
    assert len(numbers) == 4
    assert ROOT not in numbers


def test_two_names_of_one_file_are_one_node(inodes: Inodes) -> None:
    node = inodes.seen(ROOT, b"a", (1, 77))
    assert inodes.seen(ROOT, b"b", (1, 77)) is node
    assert node.lookups == 2
    assert (node.place, node.aliases) == ((ROOT, b"b"), {(ROOT, b"a")})
    inodes.unnamed(node, (ROOT, b"b"), last=False)
    assert (node.place, node.aliases) == ((ROOT, b"a"), set())


def test_node_lives_until_its_last_lookup_is_forgotten(inodes: Inodes) -> None:
    inodes.seen(ROOT, b"a", (1, 77), count=3)
    inodes.forget(77, 2)
    assert inodes[77].lookups == 1
    inodes.forget(77, 1)
    with pytest.raises(StaleNode):
        inodes[77]
    inodes.forget(77, 1)
    inodes.forget(ROOT, 1)
    assert inodes[ROOT].id == ROOT


def test_number_of_a_removed_file_is_not_given_to_the_next(inodes: Inodes) -> None:
    old = inodes.seen(ROOT, b"a", (1, 77))
    inodes.unnamed(old, (ROOT, b"a"), last=True)
    assert inodes.known(ROOT, b"a", (1, 77)) is None
    new = inodes.seen(ROOT, b"a", (1, 77))
    assert new.id != old.id
    assert inodes[old.id] is old


def test_what_lies_below_is_found_and_nothing_else(inodes: Inodes) -> None:
    top = inodes.seen(ROOT, b"top", None)
    one = inodes.seen(top.id, b"one", (1, 10))
    deep = inodes.seen(one.id, b"deep", (1, 11))
    other = inodes.seen(ROOT, b"other", None)
    inodes.seen(other.id, b"two", (1, 12))
    orphan = inodes.seen(4711, b"orphan", (1, 13))
    assert {node.id for node in inodes.below([top.id])} == {one.id, deep.id}
    assert {node.id for node in inodes.below([one.id])} == {deep.id}
    assert orphan.id not in {node.id for node in inodes.below([ROOT])}


def test_next_worker_knows_the_nodes_of_the_last(inodes: Inodes, journal: Journal) -> None:
    made = inodes.seen(ROOT, b"home", None)
    kept = inodes.seen(made.id, os.fsencode("na\udcffme"), (1, 77))
    gone = inodes.seen(made.id, b"gone", (1, 78))
    inodes.moved(kept, kept.place, (made.id, b"new\n name"))
    inodes.forget(gone.id, 1)
    again = read_again(journal)
    assert again[kept.id].place == (made.id, b"new\n name")
    assert again[kept.id].key == (1, 77)
    assert again[made.id].key is None
    with pytest.raises(StaleNode):
        again[gone.id]
    assert again.seen(made.id, b"new\n name", (1, 77)).id == kept.id
    assert again.seen(ROOT, b"home", None).id == made.id
    assert again.seen(ROOT, b"fresh", None).id not in {made.id, kept.id}


def test_inherited_node_is_forgotten_with_the_lookups_of_both_workers(inodes: Inodes, journal: Journal) -> None:
    inodes.seen(ROOT, b"a", (1, 77), count=2)
    again = read_again(journal)
    again.seen(ROOT, b"a", (1, 77))
    again.forget(77, 1)
    assert again[77].lookups == 0
    again.forget(77, 2)
    with pytest.raises(StaleNode):
        again[77]


def test_line_that_a_killed_worker_did_not_finish_is_left_out(journal: Journal) -> None:
    journal.note(Mark.OPEN, 1, 77, 0)
    journal.flush()
    os.write(journal.fd, b'["C",1')
    assert list(journal.lines()) == [["O", 1, 77, 0]]


def test_worker_goes_on_behind_a_line_that_a_killed_one_did_not_finish(journal: Journal) -> None:
    journal.note(Mark.NODE, 77, ROOT, "a", 1, 77)
    journal.flush()
    os.write(journal.fd, b'["N",78,1,"a]')
    again = Journal(journal.fd)
    assert again.resume() == [["N", 77, 1, "a", 1, 77]]
    again.note(Mark.NODE, 79, ROOT, "b", 1, 79)
    again.flush()
    assert Journal(journal.fd).resume() == [["N", 77, 1, "a", 1, 77], ["N", 79, 1, "b", 1, 79]]


def test_journal_of_many_workers_that_were_killed_soon_is_written_anew(journal: Journal) -> None:
    for _ in range(100):
        journal = Journal(journal.fd)
        journal.resume()
        for number in range(GROWN_BYTES // 100):
            journal.note(Mark.OPEN, number, 77, 0)
        journal.flush()
        if journal.grown:
            journal.write_anew([])
    assert os.fstat(journal.fd).st_blocks * 512 < 4 * GROWN_BYTES


def test_worker_that_inherits_much_does_not_write_it_anew_at_once(journal: Journal) -> None:
    for number in range(GROWN_BYTES // 20):
        journal.note(Mark.NODE, 100 + number, ROOT, f"{number}", 1, 100 + number)
    journal.flush()
    again = Journal(journal.fd)
    assert len(again.resume()) == GROWN_BYTES // 20
    assert not again.grown


def test_number_of_an_open_file_is_not_given_again_by_the_next_worker(journal: Journal) -> None:
    for mark in (Mark.OPEN, Mark.CLOSE):
        journal.note(mark, 41, *((77, 0) if mark is Mark.OPEN else ()))
    journal.flush()
    assert [line[:2] for line in Journal(journal.fd).resume()] == [["O", 41], ["C", 41]]


_NAMES = ["a", "b", '"]\n', '["E"]\n']
_LINES = st.one_of(
    st.tuples(
        st.just(Mark.NODE),
        st.integers(2, 5),
        st.integers(1, 3),
        st.sampled_from(["a", "b", '"]\n', '["E"]\n']),
        st.just(1),
        st.integers(2, 5),
    ),
    st.tuples(st.sampled_from([Mark.FORGET, Mark.GONE]), st.integers(2, 5)),
    st.tuples(st.just(Mark.OPEN), st.integers(1, 9), st.integers(2, 5), st.integers(0, 3)),
    st.tuples(st.just(Mark.CLOSE), st.integers(1, 9)),
)


@given(st.lists(_LINES))
def test_what_holds_is_what_all_lines_come_to(lines: list[tuple[Mark, int, *tuple[int | str, ...]]]) -> None:
    journal = Journal(open_journal("test"))
    places: dict[object, object] = {}
    gone: set[object] = set()
    handles: dict[object, object] = {}
    for mark, number, *rest in lines:
        journal.note(mark, number, *rest)
        match mark:
            case Mark.NODE:
                places[number] = rest
            case Mark.FORGET:
                places.pop(number, None)
                gone.discard(number)
            case Mark.GONE if number in places:
                gone.add(number)
            case Mark.OPEN:
                handles[number] = rest
            case Mark.CLOSE:
                handles.pop(number, None)
    journal.flush()
    try:
        told = journal.resume()
        assert {number: rest for mark, number, *rest in told if mark == Mark.NODE} == places
        assert {line[1] for line in told if line[0] == Mark.GONE} == gone
        closed = {line[1] for line in told if line[0] == Mark.CLOSE}
        assert {number: rest for mark, number, *rest in told if mark == Mark.OPEN and number not in closed} == handles
    finally:
        os.close(journal.fd)


def state(journal: Journal) -> dict[int, list[object]]:
    """Return what the journal leaves of nodes, by number."""
    left: dict[int, list[object]] = {}
    for mark, number, *rest in journal.lines():
        if mark == Mark.NODE:
            left[number] = rest
        elif mark == Mark.FORGET:
            left.pop(number, None)
    return left


def test_journal_written_anew_says_the_same_in_less_room(inodes: Inodes, journal: Journal) -> None:
    for number in range(20_000):
        inodes.seen(ROOT, b"name %d" % number, (1, 100 + number))
        if number % 10:
            inodes.forget(100 + number, 1)
    journal.flush()
    before = state(journal)
    room = os.fstat(journal.fd).st_blocks
    journal.write_anew(inodes.lines())
    assert state(journal) == before
    assert os.fstat(journal.fd).st_blocks < room / 2
    inodes.seen(ROOT, b"after", (1, 7))
    journal.flush()
    assert set(state(journal)) == {*before, 7}


def test_journal_is_whole_when_the_writing_anew_was_cut_short(inodes: Inodes, journal: Journal) -> None:
    for number in range(100):
        inodes.seen(ROOT, b"%d" % number, (1, 100 + number))
    journal.write_anew(inodes.lines())
    inodes.seen(ROOT, b"late", (1, 7))
    journal.flush()
    whole = state(journal)
    journal.note(Mark.BEGIN)
    journal.note(Mark.NODE, 100, ROOT, "0", 1, 100)
    journal.flush()
    os.write(journal.fd, b'["N",101')
    assert state(journal) == whole


def test_journal_asks_to_be_written_anew_when_it_has_grown(journal: Journal) -> None:
    while not journal.grown:
        journal.note(Mark.NODE, 1, 2, "x" * 50_000, 3, 4)
        journal.flush()
    journal.write_anew([])
    assert not journal.grown
    assert list(journal.lines()) == []


def test_names_of_one_file_that_are_remembered_are_bounded(inodes: Inodes) -> None:
    for number in range(500):
        node = inodes.seen(ROOT, f"{number}".encode(), (1, 77))
    assert len(node.aliases or ()) < 100


class Companion:
    """Writes beside Python into the same journal."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.most = 0

    def noted(self) -> int:
        return 5 << 20

    def note_anew(self) -> None:
        os.write(self.fd, b'["N",7,1,"seven",1,7]\n')

    def note_at_most(self, size: int) -> None:
        self.most = size


def test_journal_counts_and_keeps_what_is_written_beside_python() -> None:
    fd = open_journal("test")
    try:
        companion = Companion(fd)
        journal = Journal(fd, companion)
        assert journal.grown
        os.write(fd, b'["N",6,1,"six",1,6]\n')
        journal.write_anew([(Mark.OPEN, 3, 7, 0)])
        assert journal.lines() == [["N", 7, 1, "seven", 1, 7], ["O", 3, 7, 0]]
        assert companion.most >= GROWN_BYTES
    finally:
        os.close(fd)
