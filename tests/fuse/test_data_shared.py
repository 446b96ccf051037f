"""One team's space through two views, and a home through its view and natively: what one writes, the other has."""

import pytest

from tests.support.data_rig import DataRig, Person, eventually, member, record

pytestmark = [pytest.mark.root, pytest.mark.fuse]


@pytest.fixture
def bee_and_ant(rig: DataRig) -> Person:
    """Bob, who is in ann's team too."""
    rig.know(record("bob", member("bee"), member("ant")))
    return rig.mount("bob")


def test_what_one_wrote_and_closed_the_other_reads_at_once(ann: Person, bee_and_ant: Person) -> None:
    writers = [ann, bee_and_ant]
    for turn in range(6):
        writers[turn % 2].do("Path('teams/ant/text').write_text('x' * n)", n=10 * (turn % 3) + turn)
        found = writers[(turn + 1) % 2].do("p = Path('teams/ant/text'); answer = [len(p.read_text()), p.stat().st_size]")
        assert found == [10 * (turn % 3) + turn] * 2


def test_reader_who_holds_the_file_open_sees_what_was_written(rig: DataRig, ann: Person, bee_and_ant: Person) -> None:
    ann.do("Path('teams/ant/log').write_text('one')")
    with bee_and_ant.start("""
        f = open('teams/ant/log')
        answer = [f.read()]
        Path('home/read').touch()
        while not os.path.exists('home/go'): time.sleep(0.02)
        answer.append(f.read())
        f.seek(0); answer.append(f.read())
    """) as reader:
        eventually((rig.var.homes / "bob/read").exists, 20)
        ann.do("open('teams/ant/log', 'a').write(' two')")
        (rig.var.homes / "bob/go").touch()
        out, err = reader.communicate(timeout=20)
    assert out == '{"answer": ["one", " two", "one two"]}\n', err


def test_directory_that_the_other_moved_is_still_where_one_stands(rig: DataRig, ann: Person, bee_and_ant: Person) -> None:
    ann.do("os.makedirs('teams/ant/a/b'); Path('teams/ant/a/b/f').write_text('here')")
    with ann.start("""
        os.chdir('teams/ant/a/b'); Path('f').read_text(); Path('/mnt/home/in').touch()
        while not os.path.exists('/mnt/home/go'): time.sleep(0.02)
        os.stat('/mnt/teams/ant/z/b/f')
        answer = Path('f').read_text()
    """) as child:
        eventually((rig.var.homes / "ann/in").exists, 20)
        bee_and_ant.do("os.rename('teams/ant/a', 'teams/ant/z')")
        (rig.var.homes / "ann/go").touch()
        out, err = child.communicate(timeout=20)
    assert out == '{"answer": "here"}\n', err


def test_home_is_the_same_natively_and_through_the_view(rig: DataRig, ann: Person) -> None:
    ways = [(ann, "home/note"), (Person(ann.record, rig.var.homes / "ann"), "note")]
    for turn in range(4):
        (writer, written), (reader, read) = ways if turn % 2 else reversed(ways)
        writer.do("Path(path).write_text('y' * n)", path=written, n=turn * 3)
        assert reader.do("answer = [len(Path(path).read_text()), os.stat(path).st_size]", path=read) == [turn * 3] * 2
