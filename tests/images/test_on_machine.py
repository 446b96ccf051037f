"""What images are on one machine: environments of its own, told with what brings those that are not here."""

import shutil
import sys
from pathlib import Path

import pytest
from bowerbird_config.images.contract import contracts
from bowerbird_config.images.finding import environment_of
from bowerbird_config.images.on_machine import SYSTEM_PATH, LocalEnvironment, lacks, local_environment
from bowerbird_config.install import Install
from bowerbird_config.platform import Platform
from bowerbird_config.problems import ConfigError
from bowerbird_config.profiles import IMAGES

from tests.support.platforms import described

ROOT = Path(__file__).parents[2]
KNOWN = contracts(ROOT / "images")


@pytest.fixture
def install(tmp_path: Path) -> Install:
    """A checkout with the images and the lab, and nothing else installed."""
    shutil.copytree(ROOT / "images", tmp_path / "images")
    return Install(tmp_path, Path(sys.executable))


def platform(**parts: object) -> Platform:
    profiles = {name: {"title": name, "memory": "1 GiB", "cpu": 1, "teams": "everyone", "environment": name} for name in IMAGES}
    return Platform.model_validate(described(profiles=profiles, **parts))


def test_profiles_may_name_the_environment_of_every_image_that_serves_them() -> None:
    assert {environment_of(name, contract): name for name, contract in KNOWN.items() if contract.serves == "profiles"} == IMAGES


def test_the_lab_is_what_the_set_up_installs(install: Install) -> None:
    assert local_environment("lab", install, {}) == LocalEnvironment(install.lab_python, command="./bowerbird up")


def test_an_image_with_packages_of_its_own_is_an_environment_of_its_own(install: Install) -> None:
    found = local_environment("aat", install, {})
    assert found == LocalEnvironment(install.environment("aat") / "bin/python", command="./bowerbird images install aat")
    assert not found.ready
    found.python.parent.mkdir(parents=True)
    found.python.symlink_to(sys.executable)
    assert found.ready


def test_an_image_with_programs_of_debian_is_the_lab_with_them(install: Install) -> None:
    found = local_environment("eso", install, {})
    assert found is not None
    assert (found.python, found.programs, found.as_root) == (install.lab_python, ("esorex",), True)
    assert found.command.startswith("apt-get install --no-install-recommends esorex cpl-plugin-amber ")
    assert found.ready is (shutil.which("esorex", path=SYSTEM_PATH) is not None)


def test_a_directory_of_the_platform_file_goes_before_an_image(install: Install) -> None:
    assert local_environment("eso", install, {"eso": "/opt/eso"}) == LocalEnvironment(Path("/opt/eso/bin/python"))


def test_a_name_that_nobody_knows_is_no_environment(install: Install) -> None:
    assert local_environment("reflex", install, {}) is None


def test_a_contract_that_is_wrong_is_told(install: Install) -> None:
    (install.images / "aat/contract.yaml").write_text("contract: 2\n")
    with pytest.raises(ConfigError, match="contract"):
        local_environment("aat", install, {})
    (found,) = (str(lack) for lack in lacks(platform(runtime={"environments": {"eso": "/opt/eso"}}), install))
    assert str(install.images / "aat/contract.yaml") in found


def test_profiles_whose_environment_is_not_here_are_told_with_what_brings_it(install: Install) -> None:
    here = platform(runtime={"environments": {"eso": "/opt/eso"}})
    assert [str(lack) for lack in lacks(here, install)] == [
        "profile 'aat' cannot be started: its environment 'aat' is not installed on this machine; ./bowerbird images install aat"
    ]
    assert list(lacks(platform(runtime={"kind": "kubernetes"}), install)) == []
