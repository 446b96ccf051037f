"""HDF5 by h5py: what one wrote another reads, its locks are locks between views, and one writer with readers sees every row."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.support.data_rig import Failed
from tests.support.places import HOME, NATIVE, TEAM, VIEWS, Place, Places
from tests.support.resident import Resident

pytestmark = [pytest.mark.root, pytest.mark.fuse]

# The lock of a file that was closed in another view is free a moment later: docs/sharing-files.md.
OPENED = """
def opened(name, mode, **how):
    end = time.monotonic() + 10
    while True:
        try: return h5py.File(name, mode, **how)
        except BlockingIOError:
            if time.monotonic() > end: raise
"""
CUBE = """
with h5py.File('cube.h5', 'w') as f:
    f.attrs['instrument'] = 'MUSE'
    flux = f.create_dataset('flux', (64, 100, 100), maxshape=(None, 100, 100), chunks=(8, 50, 50), dtype='f4', compression='gzip')
    flux[...] = numpy.arange(640_000).reshape(64, 100, 100) % 977
    f.create_dataset('names', data=['Abell 370', 'HDF-South'], dtype=h5py.string_dtype())
    f['group/plain'] = numpy.arange(100_000)
"""
READ = """
with opened('cube.h5', 'r') as f:
    flux, total = f['flux'][...], lambda part: float(part.sum(dtype='f8'))
    answer = [f.attrs['instrument'], list(flux.shape), total(flux[:64]), total(flux[64:]), int(f['group/plain'][...].sum())]
    answer += [f['names'].asstr()[0], float(f['flux'][-1, 7, 7])]
"""
APPEND = """
with opened('cube.h5', 'a') as f:
    f['flux'].resize(96, 0); f['flux'][64:] = 2; f['group/plain'][0] = 50; f.attrs['instrument'] = 'UVES'
"""
WHOLE = float(sum(n % 977 for n in range(640_000)))


@pytest.fixture(scope="module")
def residents(places: Places) -> dict[tuple[str, int], Resident]:
    """Interpreters with h5py, by who runs them."""
    wanted = [("native", 0), ("native", 1), ("ann", 0), ("ann", 1), ("bob", 0)]
    found = {(who, number): places.keeper_of_things(who, "numpy", "h5py") for who, number in wanted}
    for resident in found.values():
        resident.do(OPENED)
    return found


@pytest.fixture(params=[NATIVE, HOME, TEAM, VIEWS])
def pair(request: pytest.FixtureRequest, places: Places, residents: dict[tuple[str, int], Resident]) -> Iterator[Place]:
    """A fresh directory, and two processes in it that close what they had open."""
    place = places.place(request.param)
    who = "native" if request.param == NATIVE else "ann"
    yield replace(place, one=residents[who, 0], other=residents[("bob", 0) if request.param == VIEWS else (who, 1)])
    for resident in residents.values():
        resident.do("for name in [name for name, value in globals().items() if isinstance(value, h5py.File)]: globals().pop(name).close()")


def test_what_one_wrote_the_other_reads_and_appends_to(pair: Place) -> None:
    pair.do("os.umask(0o002)\n" + CUBE)
    assert pair.then(READ) == ["MUSE", [64, 100, 100], WHOLE, 0.0, 4_999_950_000, "Abell 370", (63 * 10_000 + 707) % 977]
    pair.then(APPEND)
    assert pair.do(READ) == ["UVES", [96, 100, 100], WHOLE, 640_000.0, 4_999_950_050, "Abell 370", 2.0]
    pair.do("with opened('cube.h5', 'a') as f: del f['group/plain']; f['group/plain'] = numpy.arange(10); f['flux'].resize(64, 0)")
    assert pair.then(READ.replace("[-1, 7, 7]", "[0, 0, 1]")) == ["UVES", [64, 100, 100], WHOLE, 0.0, 45, "Abell 370", 1.0]


def test_writer_keeps_everybody_else_out_and_readers_keep_writers_out(pair: Place) -> None:
    pair.do("os.umask(0o002)\n" + CUBE)
    pair.do("f = h5py.File('cube.h5', 'a')")
    for mode in ("r", "a"):
        with pytest.raises(Failed, match="EAGAIN"):
            pair.then("h5py.File('cube.h5', mode)", mode=mode)
    pair.do("f.close(); f = opened('cube.h5', 'r')")
    pair.then("g = opened('cube.h5', 'r'); g.close()")
    with pytest.raises(Failed, match="EAGAIN"):
        pair.then("h5py.File('cube.h5', 'a')")
    pair.do("f.close()")
    pair.then("g = opened('cube.h5', 'a'); g.close()")


def test_reader_beside_one_writer_sees_each_row_that_was_flushed(pair: Place) -> None:
    pair.do("""
        os.umask(0o002)
        f = h5py.File('rows.h5', 'w', libver='latest')
        rows = f.create_dataset('rows', (0, 3), maxshape=(None, 3), chunks=(16, 3), dtype='i8')
        f.swmr_mode = True
    """)
    pair.then("g = opened('rows.h5', 'r', libver='latest', swmr=True); seen = g['rows']")
    for end in (1, 15, 16, 17, 100, 101, 1000, 1001, 1002, 5000):
        pair.do(
            "begin = rows.shape[0]; rows.resize(end, 0); rows[begin:] = numpy.arange(3 * begin, 3 * end).reshape(-1, 3); rows.flush()",
            end=end,
        )
        found = pair.then(
            "seen.refresh(); answer = [seen.shape[0], bool((seen[...] == numpy.arange(3 * end).reshape(-1, 3)).all())]", end=end
        )
        assert found == [end, True]
    pair.do("rows[7] = -1; rows.flush()")
    assert pair.then("seen.refresh(); answer = [int(n) for n in seen[7]]") == [-1, -1, -1]
