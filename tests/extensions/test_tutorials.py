"""Tutorials are given once; what a reader did to them stays."""

import json

import pytest
from bowerbird.lab.handlers import first_page
from bowerbird.lab.tutorials import FIRST, Home, give


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "shipped"
    (folder / "more").mkdir(parents=True)
    (folder / FIRST).write_text('{"cells": []}')
    (folder / "more/second.ipynb").write_text("{}")
    return folder


@pytest.fixture
def home(tmp_path):
    (tmp_path / "home").mkdir()
    return Home(tmp_path / "home")


def test_a_new_home_gets_all(source, home) -> None:
    assert give(home, source) == ["more/second.ipynb", FIRST]
    assert (home.folder / "more/second.ipynb").read_text() == "{}"
    assert give(home, source) == []


def test_an_edited_one_stays_and_a_deleted_one_stays_deleted(source, home) -> None:
    give(home, source)
    (home.folder / FIRST).write_text("mine")
    (home.folder / "more/second.ipynb").unlink()
    for file in source.rglob("*.ipynb"):
        file.write_text('{"newer": 1}')
    assert give(home, source) == []
    assert (home.folder / FIRST).read_text() == "mine"
    assert not (home.folder / "more/second.ipynb").exists()


def test_an_untouched_one_is_brought_up_to_date(source, home) -> None:
    give(home, source)
    (source / FIRST).write_text('{"newer": 1}')
    assert give(home, source) == [FIRST]
    assert (home.folder / FIRST).read_text() == '{"newer": 1}'
    assert home.unchanged(FIRST)


def test_a_file_of_that_name_that_was_there_first_is_not_ours(source, home) -> None:
    home.folder.mkdir()
    (home.folder / FIRST).write_text("mine")
    assert give(home, source) == ["more/second.ipynb"]
    assert (home.folder / FIRST).read_text() == "mine"


@pytest.mark.parametrize("record", ["", "[]", "{", "null"])
def test_a_lost_record_overwrites_nothing(source, home, record) -> None:
    give(home, source)
    (home.path / ".local/share/bowerbird/tutorials.json").write_text(record)
    (home.folder / FIRST).write_text("mine")
    give(home, source)
    assert (home.folder / FIRST).read_text() == "mine"


def test_the_record_is_json_by_file(source, home) -> None:
    give(home, source)
    record = json.loads((home.path / ".local/share/bowerbird/tutorials.json").read_text())
    assert set(record) == {FIRST, "more/second.ipynb"}


def test_the_lab_opens_on_the_tutorial_until_it_was_changed(source, home, tmp_path) -> None:
    give(home, source)
    assert first_page("/lab", home, tmp_path) == f"/lab/tree/home/notebooks/{FIRST}"
    assert first_page("/lab", home, home.path) == f"/lab/tree/notebooks/{FIRST}"
    (home.folder / FIRST).write_text("mine")
    assert first_page("/lab", home, tmp_path) == "/lab"


def test_another_interface_opens_as_it_does(source, home, tmp_path) -> None:
    give(home, source)
    assert first_page("/doc", home, tmp_path) == "/doc"
    assert first_page("/lab", home, tmp_path / "elsewhere") == "/lab"
