"""The page about images: each of its examples does what the page says, on the addresses of a service that runs."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bowerbird
import pytest

from tests.services.gallery import Gallery, gallery, image

PAGE = (Path(__file__).parents[2] / "docs" / "images.md").read_text()
NAMED = "https://platform.example.org/services/vo"
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)


def lay(root: Path) -> None:
    image(root / "demo" / "dr1" / "m13.fits", 250.42, 36.46, OBJECT="M 13")


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gallery]:
    with gallery(tmp_path_factory.mktemp("gallery"), before=lay) as found:
        yield found


def here(text: str, shown: Gallery) -> str:
    return text.replace(NAMED, shown.address).replace("x-bowerbird/ngc/dr1", "x-bowerbird/demo/dr1")


def test_python_finds_and_links(shown: Gallery, capsys: pytest.CaptureFixture[str]) -> None:
    known: dict[str, Any] = {}
    for kind, text in BLOCKS:
        if kind == "python":
            exec(here(text, shown), known)  # noqa: S102  the page's own lines
    assert [row.obs_id for row in known["found"]] == ["demo/dr1/m13.fits"]
    assert {"#this", "#cutout", "#preview"} <= set(capsys.readouterr().out.split())


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
@pytest.mark.parametrize("line", [text for kind, text in BLOCKS if kind == "sh" and " -o " not in text], ids=["find", "links"])
def test_curl_asks(shown: Gallery, line: str) -> None:
    done = subprocess.run(["/bin/sh", "-c", here(line, shown)], check=True, capture_output=True, text=True, timeout=60)
    assert "m13.fits" in done.stdout
    assert "Fault" not in done.stdout


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_curl_cuts(shown: Gallery, tmp_path: Path) -> None:
    (line,) = (text for kind, text in BLOCKS if kind == "sh" and " -o " in text)
    subprocess.run(["/bin/sh", "-c", here(line, shown)], check=True, cwd=tmp_path, timeout=60)
    whole = shown.releases / "demo" / "dr1" / "m13.fits"
    assert (tmp_path / "m13.fits").read_bytes() == bowerbird.cutout(whole, (250.42, 36.46), "0.02 deg", as_bytes=True)
