"""What two people of two teams see through real mounts, and how soon they see a change."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from bowerbird_config.platform import Platform
from bowerbird_config.teams import Membership, Role

from tests.support.data_rig import BOUND_SECONDS, DataRig, Failed, Person, eventually, member, record

pytestmark = [pytest.mark.root, pytest.mark.fuse]

READ = "answer = Path(path).read_text()"
LIST = "answer = sorted(os.listdir(path))"


def opened(person: Person, path: str) -> bool:
    try:
        person.do(READ, path=path)
    except Failed:
        return False
    return True


def changed(platform: Platform, release: str, **facts: object) -> Platform:
    raw = platform.model_dump(mode="json")
    raw["collections"]["sky"]["releases"][release].update(facts)
    return Platform.model_validate(raw)


def test_each_team_reads_the_public_release_and_its_own(ann: Person, bob: Person) -> None:
    assert ann.do(LIST, path="releases/sky") == ["dr1", "dr2", "dr4"]
    assert bob.do(LIST, path="releases/sky") == ["dr1", "dr3", "dr4"]
    assert ann.do(READ, path="releases/sky/dr2/catalogue.txt") == "stars of dr2\n"
    assert bob.do(READ, path="releases/sky/dr3/catalogue.txt") == "stars of dr3\n"


def test_releases_are_sorted_by_standing_through_links(ann: Person) -> None:
    assert ann.do(LIST, path="public") == ["sky-dr1"]
    assert ann.do(LIST, path="private") == ["sky-dr2"]
    assert ann.do(READ, path="private/sky-dr2/catalogue.txt") == "stars of dr2\n"


@pytest.mark.parametrize("hidden", ["releases/sky/dr3", "releases/sky/dr3/catalogue.txt"])
def test_hidden_release_answers_exactly_like_one_that_does_not_exist(ann: Person, hidden: str) -> None:
    asked = """
        answer = []
        for act in (os.stat, os.listdir, os.readlink, os.mkdir, lambda p: os.open(p, os.O_RDONLY), lambda p: os.open(p, os.O_CREAT)):
            try:
                act(path)
                answer.append("done")
            except OSError as error:
                answer.append(error.errno)
    """
    assert ann.do(asked, path=hidden) == ann.do(asked, path=hidden.replace("dr3", "dr9"))


def test_announced_release_shows_its_readme_and_refuses_every_other_name(rig: DataRig) -> None:
    announced = changed(rig.platform, "dr2", announced=True)
    rig.feed.platform(announced)
    bob = rig.mount("bob")
    assert bob.do(LIST, path="releases/sky/dr2") == ["README"]
    assert "Who can change that: the owners of team ant" in bob.do(READ, path="releases/sky/dr2/README")
    for name in ("catalogue.txt", "no such file", "README.bowerbird"):
        with pytest.raises(Failed, match="EACCES"):
            bob.do("os.stat(path)", path=f"releases/sky/dr2/{name}")


def test_readme_says_what_whose_and_how_to_cite(ann: Person) -> None:
    text = ann.do(READ, path="releases/sky/dr1/README")
    assert "The sky: First light" in text
    assert "Bird et al. 2026" in text


def test_release_with_a_readme_of_its_own_keeps_it(rig: DataRig) -> None:
    rig.release("sky", "dr1", {"README": b"by the team"})
    ann = rig.mount("ann")
    assert ann.do(READ, path="releases/sky/dr1/README") == "by the team"
    assert "First light" in ann.do(READ, path="releases/sky/dr1/README.bowerbird")
    assert ann.do(LIST, path="releases/sky/dr1") == ["README", "README.bowerbird", "catalogue.txt", "cubes"]


def test_manifest_names_what_is_shown_and_nothing_that_is_hidden(ann: Person) -> None:
    shown = ann.do("answer = json.loads(Path('.view.json').read_text()); answer['mode'] = oct(os.stat('.view.json').st_mode & 0o777)")
    assert {release["release"]: release["standing"] for release in shown["releases"]} == {
        "dr1": "public",
        "dr2": "proprietary",
        "dr4": "announced",
    }
    assert shown["releases"][0]["path"] == "/data/releases/sky/dr1"
    assert shown["releases"][2]["path"] is None
    assert "is refused" in shown["releases"][2]["sentence"]
    assert shown["teams"] == [{"name": "ant", "role": "member", "path": "/data/teams/ant", "until": None}]
    assert shown["mode"] == "0o444"


@pytest.mark.parametrize(
    "act",
    [
        "open('releases/sky/dr1/new', 'w')",
        "open('releases/sky/dr1/catalogue.txt', 'a')",
        "os.truncate('releases/sky/dr1/catalogue.txt', 0)",
        "os.unlink('releases/sky/dr1/catalogue.txt')",
        "os.rename('releases/sky/dr1/catalogue.txt', 'home/stolen')",
        "os.link('releases/sky/dr1/catalogue.txt', 'home/linked')",
        "os.chmod('releases/sky/dr1/catalogue.txt', 0o666)",
        "os.setxattr('releases/sky/dr1/catalogue.txt', 'user.note', b'mine')",
        "os.mkdir('releases/sky/dr9')",
        "open('.view.json', 'w')",
        "os.rmdir('teams/ant')",
        "os.rename('home', 'house')",
    ],
)
def test_releases_and_what_the_view_makes_cannot_be_changed(rig: DataRig, ann: Person, act: str) -> None:
    with pytest.raises(Failed) as failure:
        ann.do(act)
    assert failure.value.code in {"EACCES", "EROFS", "EPERM", "EXDEV"}
    assert (rig.var.releases / "sky/dr1/catalogue.txt").read_text() == "stars of dr1\n"


def test_nobody_else_enters_a_view(ann: Person, bob: Person) -> None:
    stranger = Person(bob.record, ann.path)
    with pytest.raises(Failed, match="EACCES"):
        stranger.do("answer = os.listdir('.')")
    with pytest.raises(Failed, match="EACCES"):
        stranger.do(READ, path="releases/sky/dr1/catalogue.txt")


def test_home_is_the_directory_of_home(rig: DataRig, ann: Person) -> None:
    ann.do("Path('home/note').write_text('mine')")
    home = rig.var.homes / "ann"
    assert (home / "note").read_text() == "mine"
    assert (home.stat().st_uid, home.stat().st_gid, home.stat().st_mode & 0o777) == (611001, 611001, 0o700)
    (home / "other").write_text("written natively")
    assert ann.do(READ, path="home/other") == "written natively"


def test_guest_reads_a_space_and_cannot_write_it(rig: DataRig, ann: Person) -> None:
    ann.do("Path('teams/ant/plan').write_text('fly south')")
    rig.know(record("bob", member("bee"), Membership("ant", Role.GUEST)))
    bob = rig.mount("bob")
    assert bob.do(READ, path="teams/ant/plan") == "fly south"
    for act in ("open('teams/ant/plan', 'a')", "open('teams/ant/new', 'w')", "os.unlink('teams/ant/plan')", "os.utime('teams/ant/plan')"):
        with pytest.raises(Failed) as failure:
            bob.do(act)
        assert failure.value.code in {"EACCES", "EROFS", "EPERM"}


def test_members_edit_each_others_files(rig: DataRig, ann: Person) -> None:
    rig.know(record("bob", member("ant")))
    bob = rig.mount("bob")
    ann.do("os.mkdir('teams/ant/draft'); Path('teams/ant/draft/text').write_text('one')")
    bob.do("""
        os.chdir('teams/ant/draft')
        Path('text').open('a').write(' two')
        os.utime('text')
        Path('his').write_text('his')
    """)
    assert ann.do(READ, path="teams/ant/draft/text") == "one two"
    ann.do("os.rename('teams/ant/draft/his', 'teams/ant/draft/ours')")
    st = (rig.var.spaces / "ant/draft/text").stat()
    assert (st.st_uid, st.st_gid, st.st_mode & 0o777) == (611001, 612001, 0o664)
    directory = (rig.var.spaces / "ant/draft").stat()
    assert (directory.st_gid, directory.st_mode & 0o7777) == (612001, 0o2775)


def test_private_file_in_a_team_space_stays_private(ann: Person) -> None:
    mode = "fd = os.open('teams/ant/key', os.O_CREAT | os.O_WRONLY, 0o600); answer = oct(os.fstat(fd).st_mode & 0o777)"
    assert ann.do(mode) == "0o600"


def test_lost_membership_shows_within_the_bound(rig: DataRig, ann: Person) -> None:
    assert opened(ann, "releases/sky/dr2/catalogue.txt")
    rig.know(record("ann", version=2))
    eventually(lambda: not opened(ann, "releases/sky/dr2/catalogue.txt"))
    assert ann.do(LIST, path="teams") == []
    assert ann.do(LIST, path="releases/sky") == ["dr1", "dr4"]
    assert [r["release"] for r in ann.do("answer = json.loads(Path('.view.json').read_text())['releases']")] == ["dr1", "dr4"]


def test_gained_membership_shows_within_the_bound(rig: DataRig, bob: Person) -> None:
    assert not opened(bob, "releases/sky/dr2/catalogue.txt")
    # Bob's processes run on with the groups that they had.
    rig.know(record("bob", member("bee"), member("ant"), version=2))
    eventually(lambda: opened(bob, "releases/sky/dr2/catalogue.txt"))
    bob.do("Path('teams/ant/hello').write_text('new here')")
    assert (rig.var.spaces / "ant/hello").stat().st_uid == 611002


def test_edited_platform_shows_within_the_bound(rig: DataRig, ann: Person) -> None:
    rig.feed.platform(changed(rig.platform, "dr3", public=True, teams=[]))
    eventually(lambda: opened(ann, "releases/sky/dr3/catalogue.txt"))
    rig.feed.platform(rig.platform)
    eventually(lambda: not opened(ann, "releases/sky/dr3/catalogue.txt"))


def test_release_opens_by_the_clock_alone(rig: DataRig, ann: Person) -> None:
    opening = datetime.now(UTC) + timedelta(seconds=3)
    rig.feed.platform(changed(rig.platform, "dr3", public_on=opening.isoformat()))
    rig.feed.stop()
    assert not opened(ann, "releases/sky/dr3/catalogue.txt")
    eventually(lambda: opened(ann, "releases/sky/dr3/catalogue.txt"), 3 + BOUND_SECONDS)
    assert datetime.now(UTC) >= opening
    assert ann.do(LIST, path="public") == ["sky-dr1", "sky-dr3"]


def test_membership_ends_by_the_clock_while_keeper_and_hub_are_away(rig: DataRig, ann: Person) -> None:
    end = datetime.now(UTC) + timedelta(seconds=3)
    rig.know(record("ann", Membership("ant", Role.MEMBER, end), version=2))
    eventually(lambda: '"until": null' not in ann.do("answer = json.dumps(json.loads(Path('.view.json').read_text())['teams'])"))
    rig.worker("ann")
    rig.kill_keeper()
    eventually(lambda: not opened(ann, "releases/sky/dr2/catalogue.txt"), 3 + BOUND_SECONDS)
    assert datetime.now(UTC) >= end
    assert ann.do(LIST, path="teams") == []


def test_held_descriptor_reads_no_more_after_the_right_is_lost(rig: DataRig, ann: Person) -> None:
    held = ann.start("""
        fd = os.open('releases/sky/dr2/cubes/deep.fits', os.O_RDONLY)
        answer = [len(os.pread(fd, 4096, 0))]
        Path('home/ready').touch()
        os.chdir('releases/sky/dr2')
        end = time.monotonic() + 20
        while time.monotonic() < end:
            try:
                os.pread(fd, 4096, 0)
            except OSError as error:
                answer.append(errno.errorcode[error.errno])
                break
            time.sleep(0.02)
        for path in ('catalogue.txt', 'cubes', 'no such'):
            try:
                os.stat(path)
                answer.append('there')
            except OSError as error:
                answer.append(errno.errorcode[error.errno])
    """)
    eventually((rig.var.homes / "ann/ready").exists, 20)
    rig.know(record("ann", version=2))
    out, _ = held.communicate(timeout=30)
    first, refused, *by_name = json.loads(out)["answer"]
    assert first == 4096
    assert refused in {"EACCES", "ESTALE"}
    assert by_name == ["ESTALE"] * 3


def test_worker_that_held_a_lost_right_is_replaced(rig: DataRig, ann: Person) -> None:
    before = rig.worker("ann")
    rig.know(record("ann", version=2))
    eventually(lambda: rig.view("ann")["worker_pid"] != before)
    assert "612001" not in (_status(rig.worker("ann"))["Groups"])


def _status(pid: int) -> dict[str, str]:
    with open(f"/proc/{pid}/status") as lines:
        return dict(line.rstrip("\n").split(":\t", 1) for line in lines if ":\t" in line)


def test_worker_has_the_identity_and_nothing_more(rig: DataRig, ann: Person) -> None:
    status = _status(rig.worker("ann"))
    assert status["Uid"].split() == ["611001"] * 4
    assert status["Gid"].split() == ["611001"] * 4
    assert set(status["Groups"].split()) == {"611001", "612001"}
    assert {status[name].strip("0") for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {""}
    assert status["NoNewPrivs"] == "1"
    pid = rig.worker("ann")
    with pytest.raises(Failed, match="EACCES"):
        ann.do("os.listdir(path)", path=f"/proc/{pid}/fd")


def test_forgotten_user_has_no_view(rig: DataRig, ann: Person) -> None:
    rig.feed.forget("ann")
    eventually(lambda: not rig.order(op="status")["views"])
    assert ann.path not in rig.mounts()


def test_release_directory_that_comes_later_is_shown(rig: DataRig, ann: Person) -> None:
    rig.feed.platform(changed(rig.platform, "dr2", teams=["ant", "bee"]))
    raw = rig.platform.model_dump(mode="json")
    raw["collections"]["sky"]["releases"]["dr5"] = {"title": "Fifth", "public": True}
    rig.feed.platform(Platform.model_validate(raw))
    eventually(lambda: opened(ann, "releases/sky/dr5/README"))
    assert ann.do(LIST, path="releases/sky/dr5") == ["README"]
    rig.release("sky", "dr5", {"late": b"late"})
    eventually(lambda: opened(ann, "releases/sky/dr5/late"))


def test_nothing_was_logged_as_a_fault(rig: DataRig, ann: Person, bob: Person) -> None:
    ann.sh("ls -laR . > /dev/null; cat releases/sky/*/README > /dev/null")
    assert "Traceback" not in rig.log.read_text()
