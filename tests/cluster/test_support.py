"""What makes the cluster, as far as it can be tried without one."""

import hashlib
import json
import os
import shutil
import subprocess
import tarfile
import time
from collections.abc import Mapping
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from tests.support.cluster import addresses, images, kept, programs
from tests.support.cluster.lacking import ClusterMissing, require_go


def test_networks_that_this_machine_knows_are_not_chosen():
    first = addresses.choose([])
    assert first.whole == addresses.CANDIDATES[0]
    beside = addresses.choose([first.pods(2), IPv4Network("0.0.0.0/0"), IPv4Network("192.0.2.0/24")])
    assert not beside.whole.overlaps(first.whole)
    with pytest.raises(RuntimeError, match="has a route"):
        addresses.choose([IPv4Network("10.0.0.0/8")])


def test_nothing_of_a_cluster_has_two_owners():
    one = addresses.choose([])
    parts = [IPv4Network((one.whole[0], 24)), one.pods(1), one.pods(2), one.services]
    assert not any(part.overlaps(other) for part in parts for other in parts if part is not other)
    assert all(part.subnet_of(one.whole) for part in parts)
    assert one.node(1) in parts[0]
    assert one.dns in one.services


def held(archive: Path, name: str) -> bytes:
    with tarfile.open(archive) as tar:
        file = tar.extractfile(name)
        assert file is not None
        return file.read()


def test_the_same_files_make_the_same_image(tmp_path: Path):
    (tmp_path / "program").write_bytes(b"binary")
    for name in ("one.tar", "two.tar"):
        images.write(tmp_path / name, "localhost/it:1", ["/it"], {"it": tmp_path / "program", "etc/word": "text"})
        (tmp_path / "program").touch()
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()
    (manifest,) = json.loads(held(tmp_path / "one.tar", "manifest.json"))
    assert manifest["RepoTags"] == ["localhost/it:1"]
    layer = tmp_path / "layer.tar"
    layer.write_bytes(held(tmp_path / "one.tar", manifest["Layers"][0]))
    assert held(layer, "it") == b"binary"
    assert held(layer, "etc/word") == b"text"


def test_an_image_upon_another_has_its_own_layer_alone(tmp_path: Path):
    below, upon = tmp_path / "below.tar", tmp_path / "upon.tar"
    images.write(below, "localhost/below:1", ["/it"], {"etc/word": "text"})
    images.write_upon(upon, "localhost/upon:1", ["/it"], below, {"etc/word": "another"}, "/bin")
    (named,) = json.loads(held(upon, "index.json"))["manifests"]
    assert named["annotations"]["io.containerd.image.name"] == "localhost/upon:1"
    manifest = json.loads(held(upon, blob(named)))
    under, own = manifest["layers"]
    layer = held(below, "layer.tar")
    assert under["digest"] == f"sha256:{hashlib.sha256(layer).hexdigest()}"
    assert under["size"] == len(layer)
    (tmp_path / "layer.tar").write_bytes(held(upon, blob(own)))
    assert held(tmp_path / "layer.tar", "etc/word") == b"another"
    with tarfile.open(upon) as tar:
        assert blob(under) not in tar.getnames()
    config = json.loads(held(upon, blob(manifest["config"])))
    assert config["rootfs"]["diff_ids"] == [under["digest"], own["digest"]]


def blob(told: Mapping[str, str]) -> str:
    return f"blobs/{told['digest'].replace(':', '/')}"


def test_another_sum_of_a_module_is_another_build(tmp_path: Path):
    copy = shutil.copytree(programs.SOURCES, tmp_path / "go")
    before, traefik = (programs.fingerprint(builds, copy) for builds in (programs.BUILDS, programs.TRAEFIK))
    assert before == programs.fingerprint(programs.BUILDS)
    with (copy / "dns/go.sum").open("a") as sums:
        sums.write("\n")
    assert programs.fingerprint(programs.BUILDS, copy) != before
    # What is built apart stays.
    assert programs.fingerprint(programs.TRAEFIK, copy) == traefik


HOUR, DAY = 3600, 86400


@pytest.mark.parametrize(
    ("asked_ago", "stay"),
    [
        # The four that were asked for last, the new one among them.
        ({"a": 5 * HOUR, "b": 4 * HOUR, "c": 3 * HOUR, "d": 2 * HOUR}, {"b", "c", "d", "new"}),
        # A run may have them in its hands.
        ({"a": 50, "b": 40, "c": 30, "d": 20, "e": 10}, {"a", "b", "c", "d", "e", "new"}),
        ({"a": 8 * DAY, "b": 6 * DAY}, {"b", "new"}),
    ],
)
def test_of_what_is_kept_the_last_few_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked_ago: Mapping[str, int], stay: set[str]):
    monkeypatch.setattr(kept, "cache", lambda: tmp_path)
    for name, ago in asked_ago.items():
        (tmp_path / "kind" / name).mkdir(parents=True)
        os.utime(tmp_path / "kind" / name, (time.time() - ago,) * 2)
    other = kept.kept("other", "a", lambda folder: None)
    assert kept.kept("kind", "new", lambda folder: None).is_dir()
    assert {path.name for path in (tmp_path / "kind").iterdir() if path.is_dir()} == stay
    assert other.is_dir()


def test_what_is_asked_for_again_is_asked_for_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(kept, "cache", lambda: tmp_path)
    folders = {name: kept.kept("kind", name, lambda folder: None) for name in "abcd"}
    for ago, folder in enumerate(folders.values(), 2):
        os.utime(folder, (time.time() - ago * HOUR,) * 2)
    for name in ("d", "new"):
        kept.kept("kind", name, lambda folder: None)
    assert [name for name, folder in folders.items() if folder.is_dir()] == ["a", "b", "d"]


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module to build in the place of ours, and a cache of its own."""
    try:
        require_go()
    except ClusterMissing as missing:
        pytest.skip(str(missing))
    folder = tmp_path / "go/it"
    folder.mkdir(parents=True)
    (folder / "go.mod").write_text("module example.org/it\n\ngo 1.21\n")
    monkeypatch.setattr(kept, "cache", lambda: tmp_path / "cache")
    monkeypatch.setattr(programs, "SOURCES", tmp_path / "go")
    monkeypatch.setattr(programs, "BUILDS", (programs.Build("it", (".",)),))
    return folder


@pytest.mark.cluster
def test_a_module_is_built_once_and_its_static_program_is_kept(module: Path):
    (module / "main.go").write_text('package main\n\nfunc main() { print("built") }\n')
    folder = programs.programs()
    built = (folder / "it").stat()
    assert subprocess.run([folder / "it"], capture_output=True, text=True, check=True, timeout=30).stderr == "built"
    assert "not a dynamic executable" in subprocess.run(["ldd", folder / "it"], capture_output=True, text=True, check=False).stderr
    assert programs.programs() == folder
    assert (folder / "it").stat().st_ino == built.st_ino


@pytest.mark.cluster
def test_a_module_that_does_not_build_is_told_with_gos_words_and_is_not_kept(module: Path):
    (module / "main.go").write_text("package main\n\nfunc main() { wrong }\n")
    for _ in range(2):
        with pytest.raises(ClusterMissing, match="undefined: wrong"):
            programs.programs()
