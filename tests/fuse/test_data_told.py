"""What a view tells of files by extended attributes: where a released one comes from, how full a space is."""

import hashlib
import json
from pathlib import Path

import pytest
from bowerbird_config.platform import Platform

from tests.fuse.conftest import two_teams
from tests.support.data_rig import DataRig, Failed, Person, eventually

pytestmark = [pytest.mark.root, pytest.mark.fuse]

DEEP = "releases/sky/dr1/cubes/deep.fits"
ALL = "answer = {name: os.getxattr(path, name).decode() for name in os.listxattr(path)}"


def test_released_file_says_where_it_comes_from(rig: DataRig, ann: Person) -> None:
    sums = f"{'0' * 64}  other\n{hashlib.sha256(bytes(range(256)) * 4096).hexdigest().upper()} *./cubes/deep.fits\n"
    (rig.var.releases / "sky/dr1/SHA256SUMS").write_text(sums)
    facts = {"collection": "sky", "release": "dr1", "citation": "Bird et al. 2026", "licence": "CC0"}
    told = {f"user.bowerbird.{name}": text for name, text in facts.items()}
    digest = {"user.bowerbird.sha256": hashlib.sha256(Path(rig.var.releases / "sky/dr1/cubes/deep.fits").read_bytes()).hexdigest()}
    assert ann.do(ALL, path=DEEP) == told | digest
    assert ann.do(ALL, path="releases/sky/dr1/catalogue.txt") == told
    assert ann.do(ALL, path="releases/sky/dr1") == told
    assert ann.do(ALL, path="releases/sky/dr1/README") == {}
    with pytest.raises(Failed, match="ENODATA"):
        ann.do("os.getxattr(path, 'user.bowerbird.doi')", path=DEEP)
    for code in ("os.setxattr(path, 'user.bowerbird.doi', b'x')", "os.removexattr(path, 'user.bowerbird.release')"):
        with pytest.raises(Failed) as refused:
            ann.do(code, path=DEEP)
        assert refused.value.code in ("EROFS", "EPERM", "EACCES")


def test_facts_change_with_the_platform_file(rig: DataRig, ann: Person) -> None:
    platform = two_teams().model_dump()
    platform["collections"]["sky"]["releases"]["dr1"]["doi"] = "10.1/new"
    rig.feed.platform(Platform.model_validate(platform))
    eventually(lambda: ann.do(ALL, path=DEEP).get("user.bowerbird.doi") == "10.1/new")


def test_nobody_says_of_an_own_file_what_the_view_tells_of_a_released_one(rig: DataRig, ann: Person) -> None:
    ann.do("Path('home/f').touch(); os.setxattr('home/f', 'user.mine', b'x')")
    for name in ("user.bowerbird.doi", "user.bowerbird.usage"):
        with pytest.raises(Failed, match="EPERM"):
            ann.do("os.setxattr('home/f', name, b'x')", name=name)
    Person(ann.record, rig.var.homes / "ann").do("os.setxattr('f', 'user.bowerbird.doi', b'10.1/false')")
    assert ann.do(ALL, path="home/f") == {"user.mine": "x"}


def test_top_of_a_space_tells_how_full_it_is(ann: Person) -> None:
    ann.do("Path('home/f').write_bytes(b'x' * 1000)")
    told = ann.do(ALL, path="home")
    figures = {"space": "home", "used": 5096, "trash": 0, "soft": None, "hard": None, "level": 0, "words": ""}
    assert json.loads(told["user.bowerbird.usage"]) == figures
    assert ann.do(ALL, path="home/f") == {}


def test_refused_path_is_in_the_log_once_with_the_way_to_its_reason(rig: DataRig, ann: Person) -> None:
    for _ in range(3):
        with pytest.raises(Failed, match="EACCES"):
            ann.do("os.stat('releases/sky/dr4/catalogue.txt')")
    assert rig.log.read_text().count("`bowerbird explain ann read release:sky/dr4` says why") == 1
