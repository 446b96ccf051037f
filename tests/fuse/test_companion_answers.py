"""What the companion answers without Python: that it does so at all, in releases, homes and teams' spaces, and as Python would."""

import os
import subprocess
from pathlib import Path

import pytest
from bowerbird_fuse.journal import Mark

from tests.fuse.test_released import journal_of, kill, reader
from tests.support.data_rig import DataRig, Person, eventually

pytestmark = [pytest.mark.root, pytest.mark.fuse]
LIBRARY = "libbowerbird_fuse.so"
PARTS = b"0123456789" * 100_000


def words(rig: DataRig, *names: str) -> list[int]:
    """Return what the companion of ann's worker counts under these names."""
    pid = rig.worker("ann")
    # The path comes last, and may hold spaces.
    first = next(line.split(maxsplit=5) for line in Path(f"/proc/{pid}/maps").read_text().splitlines() if line.endswith(LIBRARY))
    symbols = subprocess.run(["nm", "-D", "--defined-only", first[-1]], check=True, capture_output=True, text=True).stdout.splitlines()
    at = {line.split()[2]: int(line.split()[0], 16) for line in symbols}
    begin = int(first[0].partition("-")[0], 16)
    with open(f"/proc/{pid}/mem", "rb") as memory:
        return [_word(memory.fileno(), begin + at[name]) for name in names]


def _word(memory: int, at: int) -> int:
    return int.from_bytes(os.pread(memory, 8, at), "little")


@pytest.fixture
def parts(rig: DataRig, request: pytest.FixtureRequest) -> str:
    """The path in ann's view of a file that is read in parts, which no view has written."""
    path = {"release": "releases/sky/dr1/data/parts", "home": "home/data/parts", "team": "teams/ant/data/parts"}[request.param]
    if request.param == "release":
        rig.release("sky", "dr1", {"data/parts": PARTS, "data/other": b"few"})
        return path
    rig.mount("ann")
    Person(rig.records["ann"], rig.var.views / "ann").do("os.mkdir(os.path.dirname(path))", path=path)
    below = (rig.var.homes / "ann" if request.param == "home" else rig.var.spaces / "ant") / "data/parts"
    below.write_bytes(PARTS)
    below.with_name("other").touch()
    below.chmod(0o664)
    os.chown(below, rig.records["ann"].uid, below.parent.stat().st_gid)
    return path


everywhere = pytest.mark.parametrize("parts", ["release", "home", "team"], indirect=True)


@everywhere
def test_companion_answers(rig: DataRig, parts: str, ann: Person) -> None:
    # By its first look Python takes its stand in the directory.
    ann.do("os.stat(os.path.dirname(path) + '/other'); os.stat(path)", path=parts)
    before = words(rig, "bowerbird_nodes", "bowerbird_openings")
    assert before[0] >= 1, "what was looked up after that is the companion's"
    with reader(ann, parts):
        opened = 0 if parts.startswith("teams") else 1
        assert words(rig, "bowerbird_openings") == [before[1] + opened]
    eventually(lambda: words(rig, "bowerbird_openings") == before[1:])


@everywhere
def test_open_file_outlives_the_worker(rig: DataRig, parts: str, ann: Person) -> None:
    with reader(ann, parts):
        kill(rig)
    assert ann.do("answer = open(path).read(10)", path=parts) == "0123456789"
    assert "Traceback" not in rig.log.read_text()


@pytest.mark.parametrize("parts", ["home", "team"], indirect=True)
@pytest.mark.parametrize(
    "act", ["os.unlink(path)", "os.rename(path, path + '2')", "Path(path + '2').touch(); os.replace(path + '2', path)"]
)
def test_open_file_stays_what_it_is_whatever_becomes_of_its_name(rig: DataRig, parts: str, ann: Person, act: str) -> None:
    with reader(ann, parts):
        ann.do(act, path=parts)
        kill(rig)
    assert "Traceback" not in rig.log.read_text()


@pytest.mark.parametrize("parts", ["home", "team"], indirect=True)
def test_what_is_done_beside_the_view_is_seen_at_once(rig: DataRig, parts: str, ann: Person) -> None:
    top = Path("home" if parts.startswith("home") else "teams/ant")
    below = (rig.var.homes / "ann" if parts.startswith("home") else rig.var.spaces / "ant") / "data"
    seen = (
        "answer = [sorted(os.listdir(d)), os.path.exists(d + '/new'), open(d + '/parts').read(3) if os.path.exists(d + '/parts') else '']"
    )
    folder = str(top / "data")
    assert ann.do(seen, d=folder) == [["other", "parts"], False, "012"]
    (below / "new").write_text("new")
    assert ann.do(seen, d=folder) == [["new", "other", "parts"], True, "012"]
    os.replace(below / "new", below / "parts")
    (below / "parts").chmod(0o664)
    assert ann.do(seen, d=folder) == [["other", "parts"], False, "new"]
    below.rename(below.with_name("away"))
    below.mkdir(mode=0o2775)
    assert ann.do(seen, d=folder) == [[], False, ""]


@pytest.mark.parametrize("parts", ["home"], indirect=True)
def test_lookups_that_either_side_answered_are_forgotten_together(rig: DataRig, parts: str, ann: Person) -> None:
    code = """
        for n in range(300): Path(f'home/data/made{n}').write_text(str(n))
        for turn in range(3): answer = sum(Path(f'home/data/made{n}').read_text() == str(n) for n in range(300))
    """
    assert ann.do(code) == 300
    assert len(known(rig, "made")) == 300
    ann.sh("rm home/data/made*")
    eventually(lambda: not known(rig, "made"))
    assert "Traceback" not in rig.log.read_text()


def known(rig: DataRig, beginning: str) -> set[object]:
    """Return the nodes whose names begin so that the kernel knows, by the journal."""
    journal = journal_of(rig)
    nodes: set[object] = set()
    try:
        for mark, number, *rest in journal.lines():
            if mark == Mark.NODE and rest[1].startswith(beginning):
                nodes.add(number)
            elif mark == Mark.FORGET:
                nodes.discard(number)
    finally:
        os.close(journal.fd)
    return nodes


def test_name_that_a_release_does_not_have_is_not_asked_for_again(rig: DataRig, ann: Person) -> None:
    missing = "answer = [os.path.exists(path) for path in paths]"
    paths = ["releases/sky/dr1/cubes/none", "releases/sky/dr1/cubes/deep.fits"]
    assert ann.do(missing, paths=paths) == [False, True]
    assert ann.do(missing, paths=paths) == [False, True]
    (rig.var.releases / "sky/dr1/cubes/none").write_text("put there beside every rule")
    assert ann.do(missing, paths=paths) == [False, True]
