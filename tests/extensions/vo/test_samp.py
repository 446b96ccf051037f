"""A table handed to another program, by a real hub on this machine."""

import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import bowerbird
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from bowerbird.errors import ServiceGone
from bowerbird.lab.result_table import ResultTable
from bowerbird.vo.samp import send
from bowerbird.votable import read
from pyvo.samp import SAMPHubServer, SAMPIntegratedClient, conf

from tests.extensions.skies import Mosaic

BIG = 2**62 + 1


@pytest.fixture(autouse=True)
def lockfile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SAMP_HUB", f"std-lockurl:{(tmp_path / 'samp').as_uri()}")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path / "samp"


@pytest.fixture
def hub(lockfile: Path) -> Iterator[SAMPHubServer]:
    # pyvo's own hub and listener ask the internet at their start, unless told not to.
    with conf.set_temp("use_internet", False):
        hub = SAMPHubServer(web_profile=False, mode="single", lockfile=str(lockfile), addr="127.0.0.1")
    hub.start()
    yield hub
    hub.stop()


class Listener:
    """A program that takes tables."""

    def __init__(self) -> None:
        self.client = SAMPIntegratedClient(name="A table viewer", addr="127.0.0.1")
        with conf.set_temp("use_internet", False):
            self.client.connect()
        self.heard = threading.Event()
        self.told: dict[str, str] = {}
        for kind in ("table.load.votable", "image.load.fits"):
            self.client.bind_receive_notification(kind, self._hear)

    def _hear(self, _key: str, _sender: str, _kind: str, told: dict[str, str], _extra: object) -> None:
        self.told = told
        self.heard.set()


def test_a_table_is_taken_by_who_listens(hub: SAMPHubServer) -> None:
    listener = Listener()
    try:
        widget = ResultTable(Table({"id": np.array([BIG, BIG + 1, BIG + 2]), "g": [3.0, 1.0, 2.0]}), name="stars")
        said: list[dict[str, str]] = []
        widget.send = lambda content, buffers=None: said.append(content)
        widget._answer(widget, {"type": "filter", "column": 1, "text": "< 3"})
        widget._answer(widget, {"type": "sort", "column": 1})
        widget._answer(widget, {"type": "samp"})
        assert said[-1] == {"type": "sent", "message": "Sent to A table viewer"}
        assert listener.heard.wait(20)
        assert listener.told["name"] == "stars"
        seen = read(Path(urlsplit(listener.told["url"]).path).read_bytes()).table
        assert seen["id"].tolist() == [BIG + 1, BIG + 2]
    finally:
        listener.client.disconnect()


def test_without_a_listener_it_is_said(hub: SAMPHubServer) -> None:
    with pytest.raises(ServiceGone, match="no program there takes tables; start TOPCAT"):
        send(Table({"a": [1]}), "a")


def test_nothing_is_asked_of_the_internet(hub: SAMPHubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    monkeypatch.setattr("pyvo.samp.utils.urlopen", lambda *given, **_: asked.append(given))
    with pytest.raises(ServiceGone):
        send(Table({"a": [1]}), "a")
    assert asked == []


def test_without_a_hub_it_is_said_beside_the_table() -> None:
    widget = ResultTable(Table({"a": [1]}))
    said: list[dict[str, str]] = []
    widget.send = lambda content, buffers=None: said.append(content)
    widget._answer(widget, {"type": "samp"})
    (answer,) = said
    assert answer["type"] == "refused"
    assert "no hub here" in answer["message"]
    assert "start TOPCAT on the machine where this notebook computes" in answer["message"]
    assert "on another computer, such as the one before you, is not reached: write a file, download it" in answer["message"]


def test_selected_cutouts_are_taken_by_who_takes_images(hub: SAMPHubServer, tmp_path: Path) -> None:
    listener = Listener()
    try:
        image = Mosaic().write(tmp_path / "mosaic.fits")
        strip = bowerbird.stamps([(150.0, 2.0), (150.001, 2.0)], "4 arcsec", image, label=["one", "two"])
        said: list[dict[str, str]] = []
        strip.send = lambda content, buffers=None: said.append(content)
        strip._answer(strip, {"type": "samp"})
        assert said[-1]["type"] == "refused"
        strip.selected = [1]
        strip._answer(strip, {"type": "samp"})
        assert said[-1] == {"type": "sent", "message": "Sent 1 to A table viewer"}
        assert listener.heard.wait(20)
        assert listener.told["name"] == "two"
        with fits.open(Path(urlsplit(listener.told["url"]).path)) as hdus:
            assert np.array_equal(hdus[0].data, bowerbird.cutout(image, (150.001, 2.0), "4 arcsec")[0].data)
    finally:
        listener.client.disconnect()


def test_the_sources_of_a_map_are_taken_as_a_table(hub: SAMPHubServer) -> None:
    listener = Listener()
    try:
        view = bowerbird.skymap([(150.0, 2.0), (150.001, 2.0)])
        said: list[dict[str, str]] = []
        view.send = lambda content, buffers=None: said.append(content)
        view._answer(view, {"type": "samp"})
        assert said[-1] == {"type": "sent", "message": "Sent to A table viewer"}
        assert listener.heard.wait(20)
        assert list(read(Path(urlsplit(listener.told["url"]).path).read_bytes()).to_table()["ra"]) == [150.0, 150.001]
    finally:
        listener.client.disconnect()
