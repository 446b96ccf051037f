"""A release is in its place whole or not at all."""

import dataclasses
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from demo_releases.errors import BadInput, CannotBuild
from demo_releases.originals import Stock
from demo_releases.release import Product, Release
from demo_releases.workshop import MARGIN_BYTES, Workshop

from tests.recipe.conftest import TINY, digests


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path / "releases")


def make(workshop: Workshop, release: Release, stock: Stock) -> Path:
    with workshop.open():
        workshop.build(release, stock)
    return workshop.place(release)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def with_product(release: Release, product: Product) -> Release:
    return dataclasses.replace(release, products=(*release.products, product))


def text_file(name: str, text: str) -> Product:
    def write(_stock: Stock, path: Path) -> None:
        path.write_text(text)

    return Product(name, write, len(text))


def test_original_is_copied_byte_for_byte_beside_what_is_derived(workshop: Workshop, tiny: Release, stock: Stock) -> None:
    place = make(workshop, tiny, stock)
    assert (place / "data.bin").read_bytes() == TINY
    assert (place / "derived.bin").read_bytes() == TINY[::-1]
    assert workshop.complete(tiny)


def test_sha256sum_agrees_with_every_file(workshop: Workshop, tiny: Release, stock: Stock) -> None:
    place = make(workshop, tiny, stock)
    subprocess.run(["sha256sum", "--check", "--strict", "CHECKSUMS"], cwd=place, check=True, capture_output=True)
    listed = {line[66:] for line in (place / "CHECKSUMS").read_text().splitlines()}
    assert listed | {"CHECKSUMS"} == {path.name for path in place.iterdir()}


def test_everybody_may_read_and_nobody_write_below_a_closed_folder(workshop: Workshop, tiny: Release, stock: Stock) -> None:
    before = os.umask(0o077)
    try:
        place = make(workshop, tiny, stock)
    finally:
        os.umask(before)
    assert mode(workshop.root) == 0o700
    assert (mode(place.parent), mode(place)) == (0o755, 0o555)
    assert {mode(path) for path in place.iterdir()} == {0o444}


def test_nothing_is_left_of_the_making(workshop: Workshop, tiny: Release, stock: Stock) -> None:
    make(workshop, tiny, stock)
    assert {path.name for path in workshop.root.iterdir()} == {"tiny"}


def test_what_was_finished_before_a_failure_is_not_made_again(workshop: Workshop, tiny: Release, stock: Stock) -> None:
    made: list[str] = []

    def count(_stock: Stock, path: Path) -> None:
        made.append("first")
        path.write_text("once")

    def fail(_stock: Stock, path: Path) -> None:
        path.write_text("half of i")
        raise BadInput("no")

    counted = with_product(tiny, Product("first.txt", count, 4))
    with pytest.raises(BadInput), workshop.open():
        workshop.build(with_product(counted, Product("second.txt", fail, 9)), stock)
    assert not workshop.place(tiny).exists()
    place = make(workshop, with_product(counted, text_file("second.txt", "all of it")), stock)
    assert made == ["first"]
    assert (place / "second.txt").read_text() == "all of it"
    assert not list(place.glob("*.part"))


def test_bench_of_another_edition_is_not_used(workshop: Workshop, tiny: Release, stock: Stock) -> None:
    stale = workshop.bench(tiny)
    stale.mkdir(parents=True)
    (stale / "PROVENANCE.json").write_text("{}")
    (stale / "derived.bin").write_text("of another recipe")
    (stale / "stranger.txt").write_text("of another recipe")
    place = make(workshop, tiny, stock)
    assert (place / "derived.bin").read_bytes() == TINY[::-1]
    assert not (place / "stranger.txt").exists()


@pytest.mark.parametrize("harm", [lambda place: (place / "derived.bin").unlink(), lambda place: (place / "CHECKSUMS").unlink()])
def test_release_that_lost_a_file_is_made_anew(workshop: Workshop, tiny: Release, stock: Stock, harm) -> None:
    place = make(workshop, tiny, stock)
    before = digests(place)
    place.chmod(0o755)
    harm(place)
    assert not workshop.complete(tiny)
    make(workshop, tiny, stock)
    assert digests(place) == before
    assert {path.name for path in workshop.root.iterdir()} == {"tiny"}


def test_new_edition_takes_the_place_of_the_old_one(workshop: Workshop, tiny: Release, stock: Stock) -> None:
    make(workshop, tiny, stock)
    newer = dataclasses.replace(with_product(tiny, text_file("more.txt", "x")), edition=2)
    assert not workshop.complete(newer)
    assert (make(workshop, newer, stock) / "more.txt").exists()


def test_damaged_download_is_told_in_a_sentence_and_nothing_is_published(workshop: Workshop, tiny: Release, stock: Stock) -> None:
    file = stock.downloads / "tiny/tiny/data.bin"
    file.write_bytes(TINY[:-1] + b"?")
    with pytest.raises(BadInput) as refused:
        make(workshop, tiny, stock)
    remove = f"remove {stock.downloads / 'tiny'} and start `./bowerbird up` again, which gets it anew"
    assert str(refused.value) == f"{file} is damaged: its bytes are not those of tiny 1.0; {remove}"
    assert not workshop.place(tiny).exists()


def test_truncated_download_is_damaged(workshop: Workshop, tiny: Release, stock: Stock) -> None:
    (stock.downloads / "tiny/tiny/data.bin").write_bytes(TINY[:100])
    with pytest.raises(BadInput, match="is damaged"):
        make(workshop, tiny, stock)


def test_missing_download_is_told_in_a_sentence(workshop: Workshop, tiny: Release, stock: Stock) -> None:
    (stock.downloads / "tiny/tiny/data.bin").unlink()
    with pytest.raises(BadInput, match=r"data\.bin is missing; remove .*tiny and start `\./bowerbird up` again"):
        make(workshop, tiny, stock)


def test_release_larger_than_the_disk_is_refused_before_it_is_begun(workshop: Workshop, tiny: Release, stock: Stock) -> None:
    made: list[Path] = []
    huge = with_product(tiny, Product("huge.bin", lambda _, path: made.append(path), 1 << 62))
    with pytest.raises(CannotBuild, match=r"has no room: tiny/dr1 needs \d+ MB and \d+ MB are free; free some"):
        make(workshop, huge, stock)
    assert made == []


def test_second_build_in_the_same_folder_is_refused(workshop: Workshop) -> None:
    with workshop.open(), pytest.raises(CannotBuild, match="another build is at work"), Workshop(workshop.root).open():
        pytest.fail("two builds at work")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={MARGIN_BYTES + (1 << 20)}", "tmpfs", str(disk)], check=True)
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.root
def test_disk_that_fills_up_meanwhile_costs_only_the_unfinished_file(small_disk: Path, tiny: Release, stock: Stock) -> None:
    def fill(_stock: Stock, path: Path) -> None:
        with path.open("wb") as file:
            while True:
                file.write(bytes(1 << 20))

    workshop = Workshop(small_disk / "releases")
    with pytest.raises(OSError, match="No space left"):
        make(workshop, with_product(tiny, Product("huge.bin", fill, 1)), stock)
    assert not workshop.place(tiny).exists()
    assert (make(workshop, tiny, stock) / "derived.bin").read_bytes() == TINY[::-1]


def test_a_kill_at_any_step_leaves_a_whole_release_or_none() -> None:
    driver = Path(__file__).with_name("crash_points.py")
    done = subprocess.run([sys.executable, "-W", "error", str(driver)], capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    steps = int(done.stdout.split()[0])
    assert steps > 40
