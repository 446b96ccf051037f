"""What is true of every Containerfile, read as it stands: what it is made on, from what, and as whom it runs."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from bowerbird_config.chart.images import Images
from bowerbird_config.images.contract import contracts
from bowerbird_hub import pods

from scripts import image, lock

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "images"
KNOWN = contracts(FOLDER)
NAMES = sorted(KNOWN)


def instructions(name: str) -> list[tuple[str, str]]:
    """Return a Containerfile's instructions, each on one line, without comments."""
    text = (FOLDER / name / "Containerfile").read_text()
    joined = "\n".join(line for line in text.splitlines() if not line.startswith("#")).replace("\\\n", " ")
    return [(word, " ".join(rest.split())) for word, _, rest in (line.partition(" ") for line in joined.splitlines() if line.strip())]


def of(name: str, word: str) -> list[str]:
    return [rest for found, rest in instructions(name) if found == word]


def test_every_image_of_the_design_has_its_folder():
    assert set(NAMES) == {"base", "eso", "aat", "hub", "data", "services"}
    assert {file.parent.name for file in FOLDER.glob("*/Containerfile")} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_an_image_stands_on_what_it_is_told(name):
    first = instructions(name)[0]
    assert first[0] == "ARG"
    assert first[1].startswith("BASE=")
    assert {rest.partition(" AS ")[0] for rest in of(name, "FROM")} == {"${BASE}"}


@pytest.mark.parametrize("file", sorted(path.relative_to(ROOT) for path in FOLDER.rglob("*") if path.is_file()))
def test_no_address_of_a_registry_or_a_package_server_is_committed(file):
    text = (ROOT / file).read_text()
    assert not re.search(r"index-url|find-links|registry|docker\.io|quay\.io|ghcr|pypi|npmjs|deb\.debian", text)


@pytest.mark.parametrize("name", NAMES)
def test_an_image_runs_as_nobody_who_is_somebody(name):
    word, rest = [step for step in instructions(name) if step[0] in ("USER", "RUN", "COPY")][-1]
    assert (word, rest) == ("USER", "10001:10001")


@pytest.mark.parametrize("name", NAMES)
def test_an_image_says_what_it_is_and_where_it_comes_from(name):
    labels = dict(re.findall(r'org\.opencontainers\.image\.([a-z]+)="([^"]*)"', of(name, "LABEL")[0]))
    assert set(labels) == {"title", "description", "licenses", "version", "revision", "source"}
    assert labels["title"] == f"Bowerbird {name}"
    assert (labels["version"], labels["revision"], labels["source"]) == ("${VERSION}", "${REVISION}", "${SOURCE}")


@pytest.mark.parametrize("name", NAMES)
def test_everything_of_python_is_installed_by_its_hash(name):
    for command in of(name, "RUN"):
        assert "uv pip" not in command
        assert ("pip install" in command) == ("--require-hashes" in command)
        assert "curl" not in command
        assert "wget" not in command


@pytest.mark.parametrize("name", sorted(image.PARTS))
def test_an_environment_is_made_of_locked_requirements(name):
    assert set(image.PARTS[name].requirements) <= set(lock.GROUPS)
    assert any(f"scripts.image {name}" in command for command in of(name, "RUN"))


@pytest.mark.parametrize("name", NAMES)
def test_nothing_of_the_package_clients_is_left_in_an_image(name):
    last = [index for index, (word, _) in enumerate(instructions(name)) if word == "FROM"][-1]
    for word, rest in instructions(name)[last:]:
        if word == "RUN" and "apt-get" in rest:
            assert "--no-install-recommends" in rest
            assert "rm -rf /var/lib/apt/lists/*" in rest


def test_an_image_of_profiles_has_what_a_pod_starts():
    base = KNOWN["base"]
    assert {pods.TINI, str(pods.PYTHON), str(pods.PROGRAM)} <= set(base.files)
    assert dict(base.links) == {
        str(pods.DATA): str(pods.VOLUME / "data"),
        str(pods.HOMES): str(pods.VOLUME / "home"),
        "/var/lib/extrausers": str(pods.ETC),
    }


def test_the_chart_names_images_that_are_here():
    chart = Images()
    named = {each.repository.removeprefix("bowerbird/") for each in (chart.hub, chart.proxy, chart.services, chart.data, chart.demo_cas)}
    assert named == {name for name, contract in KNOWN.items() if contract.serves == "platform"}


def test_every_program_of_the_chart_is_promised_by_an_image():
    programs = (ROOT / "helm/bowerbird/templates/_programs.tpl").read_text()
    modules = set(re.findall(r"-m, ([a-z_.]+)", programs))
    promised = {module for contract in KNOWN.values() for module in contract.imports}
    assert modules <= promised
    assert {"jupyterhub", "configurable-http-proxy"} <= set(KNOWN["hub"].commands)
    assert "/opt/bowerbird/bowerbird.css" in KNOWN["services"].files


def test_the_packages_for_one_machine_are_those_of_the_image():
    (command,) = (rest for rest in of("eso", "RUN") if "apt-get install" in rest)
    words = command.partition("--no-install-recommends ")[2].partition(" && ")[0].split()
    assert tuple(words) == KNOWN["eso"].debian


def test_2dfdr_says_that_it_is_absent():
    for name in KNOWN["aat"].supplied["2dfdr"].commands:
        assert name in (FOLDER / "aat/Containerfile").read_text()
    said = subprocess.run([FOLDER / "aat/absent"], capture_output=True, text=True, check=False)
    assert said.returncode == 127
    assert "bowerbird images build aat --supply 2dfdr=FILE" in said.stderr


def test_the_check_in_the_image_sees_what_is_broken(tmp_path):
    contract = {
        "files": ["/not/there"],
        "links": {str(tmp_path): "/elsewhere"},
        "commands": {"no-such-program": [], "false": []},
        "imports": ["no_such_module", "json"],
        "kernels": [],
        "tasks": [
            {"title": "A", "frames": {"raw": "raw.fits"}, "files": {}, "run": ["true"], "leaves": ["x"]},
            {"title": "B", "frames": {}, "files": {"in": "text"}, "run": ["cp", "in", "out"], "leaves": ["out"]},
            {"title": "C", "frames": {}, "files": {}, "run": ["true"], "leaves": ["out"]},
        ],
    }
    (tmp_path / "contract.json").write_text(json.dumps(contract))
    command = [sys.executable, "-I", FOLDER / "check.py", tmp_path / "contract.json", tmp_path]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = said.stdout.splitlines()
    assert said.returncode == 1
    assert "there is no file /not/there" in lines
    assert f"{tmp_path} is no link to /elsewhere" in lines
    assert "there is no command no-such-program" in lines
    assert any(line.startswith("false: ended with 1") for line in lines)
    assert any(line.startswith("import no_such_module: ended with 1") for line in lines)
    assert [line for line in lines if line[:2] in ("A:", "B:", "C:")] == ["A: without raw it was not done", "C: left no out"]
