"""Each image, built on this machine, keeps its contract in itself; with --images only, for it takes an hour and gigabytes."""

from importlib.metadata import version
from pathlib import Path

import pytest
from bowerbird_config.images import trial
from bowerbird_config.images.building import Workplace
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


@pytest.mark.parametrize("name", list(KNOWN))
def test_an_image_keeps_its_contract(workplace, name):
    below = KNOWN[name].stands_on
    for each in (*([below] if below else ()), name):
        if str(workplace.tag(each)) not in workplace.present():
            workplace.build(each, KNOWN[each])
    assert trial.broken(workplace, name, KNOWN[name], ROOT / ".bowerbird") == []
