"""Each image, built on this machine, keeps its contract in itself; with --images only, for it takes an hour and gigabytes."""

import re
from importlib.metadata import version
from pathlib import Path

import pytest
from bowerbird_config.images import trial
from bowerbird_config.images.building import Workplace, output
from bowerbird_config.images.contract import contracts
from bowerbird_config.images.engine import DEBIAN, engine

ROOT = Path(__file__).parents[2]
KNOWN = contracts(ROOT / "images")
pytestmark = [pytest.mark.images, pytest.mark.root, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module")
def workplace():
    place = Workplace(ROOT, engine(), version("bowerbird-config"))
    if DEBIAN not in place.present():
        place.make_debian(None)
    return place


def build(workplace, name):
    """Make an image, and what it stands on, where they are not here."""
    below = KNOWN[name].stands_on
    for each in (*([below] if below else ()), name):
        if str(workplace.tag(each)) not in workplace.present():
            workplace.build(each, KNOWN[each])


@pytest.mark.parametrize("name", list(KNOWN))
def test_an_image_keeps_its_contract(workplace, name):
    build(workplace, name)
    assert trial.broken(workplace, name, KNOWN[name], ROOT / ".bowerbird") == []
    origin = workplace.origins([name])[name]
    assert (origin["licenses"], origin["version"]) == ("BSD-3-Clause", workplace.version)
    assert re.fullmatch(r"[0-9a-f]{40}(-changed)?", origin["revision"])


@pytest.mark.parametrize(("name", "most"), [("base", 850), ("eso", 200), ("hub", 330), ("data", 150)])
def test_an_image_is_not_larger_than_promised(workplace, name, most):
    """In MB above what it stands on."""
    build(workplace, name)
    below = KNOWN[name].stands_on
    above = megabytes(workplace, workplace.tag(name)) - megabytes(workplace, workplace.tag(below) if below else DEBIAN)
    assert 0 < above <= most


def megabytes(workplace, tag):
    # What root alone may look into is small, and du ends with 1 for it.
    with trial.in_image(workplace.engine, tag, {}) as command:
        return int(output([*command, "sh", "-c", "du -sxk / 2> /dev/null || true"]).split()[0]) * 1024 / 1e6
