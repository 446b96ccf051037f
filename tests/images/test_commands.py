"""`bowerbird images`: what it finds, what it would run, and what it says where something is missing."""

import hashlib
import json
import os
import shutil
from pathlib import Path

import pytest
from bowerbird_config.cli import cli
from bowerbird_config.images import building, machine
from bowerbird_config.images.commands import images
from bowerbird_config.images.contract import contracts, load_contract
from bowerbird_config.images.engine import ENGINES, CannotBuild, Engine, Tag, debootstrap, engine, names_of, origin_of, refused_base
from bowerbird_config.images.finding import find, on_one_machine
from bowerbird_config.images.on_machine import SYSTEM_PATH
from bowerbird_config.install import Install
from bowerbird_config.problems import ConfigError
from click.testing import CliRunner

ROOT = Path(__file__).parents[2]
KNOWN = contracts(ROOT / "images")
REVISION = "75ed52c818fa2cd5a9b1"
ORIGIN = {"revision": f"{REVISION}-changed", "source": "https://example.org/bowerbird", "licenses": "BSD-3-Clause"}


def said(*arguments: str, exit_code: int = 0, **environment: str) -> str:
    """Run the command and return what it said."""
    ran = CliRunner().invoke(images, arguments, env=environment)
    assert ran.exit_code == exit_code, ran.output
    return ran.output


@pytest.fixture
def engine_of_a_test(tmp_path):
    """Put a program in the place of buildah which writes down how it was called, and has the image `base`."""
    program = tmp_path / "bin/buildah"
    program.parent.mkdir()
    listing = json.dumps([{"names": ["localhost/bowerbird/base:0.1.0"], "size": "1 GB"}])
    told = json.dumps({"OCIv1": {"config": {"Labels": {f"org.opencontainers.image.{word}": text for word, text in ORIGIN.items()}}}})
    answers = f"case $1 in images) echo '{listing}'; exit;; inspect) echo '{told}'; exit;; esac"
    program.write_text(f"#!/bin/sh\n{answers}\nprintf '%s\\n' \"$@\" >> {tmp_path}/called\n")
    program.chmod(0o755)
    return f"{program.parent}:/usr/bin:/bin"


def test_the_command_is_among_the_others():
    assert "images" in CliRunner().invoke(cli, ["--help"]).output


def test_find_says_which_profile_has_a_program():
    (found,) = json.loads(said("find", "esorex", "--file", str(ROOT / "config/default/platform.yaml"), "--json"))
    assert found == {"image": "eso", "profiles": ["eso-uves"], "kind": "command", "name": "esorex", "by": "eso"}


def test_find_says_how_servers_of_one_machine_come_to_a_program():
    remedies = {"eso": "as root: apt-get install esorex", "aat": ""}
    assert list(on_one_machine(find("esorex", KNOWN), remedies)) == [
        "Servers on this machine do not have esorex; as root: apt-get install esorex"
    ]
    assert list(on_one_machine(find("specreduce", KNOWN), remedies)) == ["Servers on this machine have specreduce, specreduce.extract too."]
    for word in ("jupyter-lab", "bowerbird", "x-shooter", "2dfdr"):
        assert list(on_one_machine(find(word, KNOWN), remedies)) == []


def test_what_an_image_stands_on_is_in_it():
    assert {found.image for found in find("astropy", KNOWN)} >= {"base", "eso", "aat"}
    assert {found.by for found in find("jupyter-lab", KNOWN)} == {"base"}


def test_find_looks_for_parts_of_names_where_no_whole_one_is():
    assert {(found.image, found.thing) for found in find("uves", KNOWN)} == {("eso", "pipeline of UVES")}
    assert {found.thing for found in find("git", KNOWN)} == {"git"}


def test_find_says_what_is_not_there_and_what_an_admin_may_supply():
    assert {found.kind for found in find("x-shooter", KNOWN)} == {"not there"}
    assert {(found.image, found.kind) for found in find("2dfdr", KNOWN)} == {("aat", "if supplied")}


def test_find_says_that_nothing_was_found():
    text = said("find", "esorexx", exit_code=1)
    assert "no image names 'esorexx'; did you mean 'esorex'?" in text


@pytest.mark.parametrize("arguments", [("build", "hubb"), ("test", "hubb"), ("save", "hubb", "/nowhere/file")])
def test_an_unknown_image_is_refused_with_the_known_ones(arguments):
    assert "there is no image 'hubb'; did you mean 'hub'? There are: 'base', 'data', 'hub', 'services'" in said(*arguments, exit_code=2)


@pytest.mark.parametrize("arguments", [("build", "hub"), ("test", "hub"), ("save", "hub", "/nowhere/file")])
def test_a_machine_without_an_engine_says_what_it_lacks(arguments, tmp_path):
    text = said(*arguments, exit_code=2, PATH=str(tmp_path))
    assert text == "this machine has no buildah and no podman, which makes images; as root: apt-get install buildah\n"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("base", "'base' is the environment 'lab' here, which ./bowerbird up makes"),
        ("hub", "'hub' is a part of the platform and no environment of servers; ./bowerbird up runs it from the checkout"),
        ("lab", "there is no image 'lab'; the environment 'lab' is that of the image 'base'"),
    ],
)
def test_what_the_set_up_brings_is_not_installed_by_its_image(name, sentence):
    assert said("install", name, exit_code=2) == f"{sentence}\n"


@pytest.mark.parametrize(("name", "remedy"), [("aat", "./bowerbird images install aat"), ("eso", "as root: apt-get install ")])
def test_an_environment_that_is_not_here_is_told_with_what_brings_it(tmp_path, name, remedy):
    if name == "eso" and shutil.which("esorex", path=SYSTEM_PATH):
        pytest.skip("this machine has esorex")
    shutil.copytree(ROOT / "images", tmp_path / "images")
    text = said("install", name, exit_code=2, BOWERBIRD_ROOT=str(tmp_path))
    assert text.startswith(f"the environment '{name}' is not installed on this machine; {remedy}")


def test_an_image_of_ones_own_has_its_directory_in_the_platform_file(tmp_path):
    shutil.copytree(ROOT / "images", tmp_path / "images")
    shutil.copytree(ROOT / "images/aat", tmp_path / "images/mine")
    text = said("install", "mine", exit_code=2, BOWERBIRD_ROOT=str(tmp_path))
    assert text == "profiles find the environment 'mine' by its directory; write it under runtime.environments\n"


def test_an_environment_that_does_not_keep_the_contract_of_its_image_is_told(tmp_path):
    shutil.copytree(ROOT / "images", tmp_path / "images")
    python = tmp_path / ".bowerbird/envs/aat/bin/python"
    python.parent.mkdir(parents=True)
    python.symlink_to("/usr/bin/python3")
    text = said("install", "aat", exit_code=1, BOWERBIRD_ROOT=str(tmp_path))
    assert "aat: import ccdproc: ended with 1: " in text
    assert "No module named 'ccdproc'" in text
    assert "aat: kernel python3: " in text


@pytest.mark.timeout(180)
def test_an_environment_that_is_here_keeps_the_contract_of_its_image(tmp_path):
    if not Install(ROOT).environment("aat").exists():
        pytest.skip("needs the environment aat: ./bowerbird images install aat")
    text = said("install", "aat", BOWERBIRD_VAR=str(tmp_path))
    assert text.startswith(f"aat: keeps its contract on this machine, in {ROOT}/.bowerbird/envs/aat\n2dfdr is ")
    assert text.endswith("profiles with it: none yet; write environment: aat\n")


def test_the_list_is_there_without_an_engine(tmp_path):
    text = said("list", PATH=str(tmp_path))
    assert "eso" in text
    assert "this machine has no buildah" in text


def test_a_machine_without_debootstrap_says_what_it_lacks(tmp_path):
    with pytest.raises(CannotBuild, match=r"this machine has no debootstrap, .*apt-get install debootstrap"):
        debootstrap(tmp_path, None, path=str(tmp_path))


def test_the_list_says_what_is_built_of_which_source(engine_of_a_test):
    rows = {row["image"]: row for row in json.loads(said("list", "--json", PATH=engine_of_a_test))}
    assert rows["base"]["built"] == "1 GB"
    assert ORIGIN.items() <= rows["base"].items()
    assert {rows["hub"][word] for word in ("built", *ORIGIN)} == {None}
    assert f" {REVISION[:12]}+ " in said("list", PATH=engine_of_a_test)


@pytest.mark.root
@pytest.mark.parametrize("name", ENGINES)
def test_an_engine_tells_where_an_image_comes_from(name, tmp_path):
    if shutil.which("buildah") is None or shutil.which(name) is None:
        pytest.skip("needs buildah and podman: apt-get install buildah podman")
    labels = [f'LABEL org.opencontainers.image.{word}="{text}"' for word, text in ORIGIN.items()]
    file, tag = tmp_path / "images/empty/Containerfile", Tag("empty", f"test-{name}")
    file.parent.mkdir(parents=True)
    file.write_text("\n".join(["ARG BASE", "FROM scratch", *labels]))
    (tmp_path / "images/containerignore").touch()
    building.output(Engine("buildah").build(tmp_path, tag, "scratch", arguments={}, mounts={}))
    try:
        assert ORIGIN.items() <= origin_of(building.output(Engine(name).telling(tag))).items()
    finally:
        building.output(["buildah", "rmi", str(tag)])


def test_an_image_is_built_on_the_one_that_it_stands_on(engine_of_a_test, tmp_path):
    assert "built localhost/bowerbird/eso:0.1.0" in said("build", "eso", PATH=engine_of_a_test)
    called = (tmp_path / "called").read_text().splitlines()
    assert "--build-arg=BASE=localhost/bowerbird/base:0.1.0" in called
    assert "--pull=never" in called
    assert f"--file={ROOT}/images/eso/Containerfile" in called
    assert not any("sources" in word or "--build-arg=PIP" in word for word in called)


def test_an_image_whose_base_is_not_here_says_how_to_make_it():
    assert refused_base("eso", "base", "localhost/bowerbird/base:0.1.0", ()) == (
        "'eso' stands on localhost/bowerbird/base:0.1.0, which is not here; make it with: bowerbird images build base"
    )
    assert refused_base("hub", None, "debian:bookworm-slim", ()) is None


def test_nothing_is_tested_or_saved_that_is_not_built(engine_of_a_test, tmp_path):
    for arguments in (("test", "hub"), ("save", "hub", str(tmp_path / "hub.tar"))):
        text = said(*arguments, exit_code=2, PATH=engine_of_a_test)
        assert text == "there is no image localhost/bowerbird/hub:0.1.0 here; make it with: bowerbird images build hub\n"


def test_a_file_that_is_there_is_never_written_over(engine_of_a_test, tmp_path):
    file = tmp_path / "base.tar"
    file.touch()
    assert "is there already" in said("save", "base", str(file), exit_code=2, PATH=engine_of_a_test)
    said("save", "base", str(tmp_path / "new.tar"), PATH=engine_of_a_test)
    assert f"docker-archive:{tmp_path}/new.tar:localhost/bowerbird/base:0.1.0" in (tmp_path / "called").read_text()


def test_what_an_admin_supplies_is_known_by_its_checksum(engine_of_a_test, tmp_path):
    tarball = tmp_path / "2dfdr.tar.gz"
    tarball.write_bytes(b"programs")
    good = hashlib.sha256(b"programs").hexdigest()
    wrong = said("build", "aat", "--supply", f"2dfdr={tarball}", "--sha256", "0" * 64, exit_code=2, PATH=engine_of_a_test)
    assert f"{tarball} has the checksum {good}, not {'0' * 64}" in wrong
    assert not (tmp_path / "called").exists()
    said("build", "aat", "--supply", f"2dfdr={tarball}", "--sha256", good, PATH=engine_of_a_test)
    called = (tmp_path / "called").read_text()
    assert f"--build-arg=SHA256_2DFDR={good}" in called
    assert f"--volume={tarball}:/run/supplied/2dfdr:ro" in called


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("build", "hub", "--supply", "2dfdr=/x", "--sha256", "0"), "'hub' takes nothing that is called '2dfdr'; it takes: none"),
        (("build", "aat", "--supply", "2dfdr=/not/there", "--sha256", "0"), "/not/there cannot be read"),
        (("build", "aat", "--supply", "2dfdr=/x"), "--supply is for one named image, and comes with --sha256"),
        (("build", "hub", "--mirror", "http://x"), "--mirror is for --debootstrap"),
        (("build", "hub", "--base", ""), "it is empty, as an unset variable of the shell is"),
        (("build", "hub", "--base", "x", "--debootstrap"), "name a Debian with --base, or make one with --debootstrap"),
    ],
)
def test_what_cannot_be_built_is_refused_with_a_sentence(engine_of_a_test, arguments, sentence):
    assert sentence in said(*arguments, exit_code=2, PATH=engine_of_a_test)


def test_a_build_that_fails_says_which(engine_of_a_test, tmp_path):
    (tmp_path / "bin/buildah").write_text('#!/bin/sh\n[ "$1" = images ] && { echo "[]"; exit; }\nexit 3\n')
    assert said("build", "hub", exit_code=2, PATH=engine_of_a_test) == "'hub' was not built; what buildah said stands above\n"


def test_the_machines_settings_are_mounted_and_never_arguments(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/nobody")
    place, root = tmp_path / "settings", tmp_path / "root"
    place.mkdir()
    (root / "etc").mkdir(parents=True)
    (root / "etc/pip.conf").write_text("[global]\nindex-url = https://somebody:secret@packages.example.org/simple\n")
    mounts = machine.settle(place, {"UV_INDEX": "https://it's.example.org"}, root)
    told = (place / "environment").read_text()
    assert "export PIP_CONFIG_FILE=/run/machine/pip.conf" in told
    assert "PIP_CERT" not in told
    command = Engine("/usr/bin/podman").build(ROOT, Tag("hub", "1"), "debian:bookworm-slim", arguments={}, mounts=mounts)
    assert f"--volume={place}:/run/machine:ro" in command
    assert "secret" not in " ".join(command)


def test_an_engine_is_chosen_by_name_or_by_what_is_here(engine_of_a_test):
    assert engine(None, engine_of_a_test).kind == "buildah"
    assert engine("buildah", engine_of_a_test).kind == "buildah"
    with pytest.raises(CannotBuild, match="this machine has no podman"):
        engine("podman", engine_of_a_test.split(":")[0])


@pytest.mark.parametrize(
    ("listing", "found"),
    [
        ("null", {}),
        ("", {}),
        ('[{"names": null, "size": "1 MB"}]', {}),
        ('[{"names": ["localhost/a:1"], "size": "637 MB"}]', {"localhost/a:1": "637 MB"}),
        ('[{"Names": ["localhost/a:1"], "Size": 637000000}]', {"localhost/a:1": "637 MB"}),
    ],
)
def test_both_engines_listings_are_read(listing, found):
    assert names_of(listing) == found


@pytest.mark.parametrize(
    ("url", "public"),
    [
        ("https://somebody:secret@example.org/bowerbird.git", "https://example.org/bowerbird.git"),
        ("/srv/bowerbird.git", ""),
        ("", ""),
    ],
)
def test_a_label_says_the_public_part_of_a_source(url, public):
    assert building.without_credentials(url) == public


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (
            "serves: platform",
            "serves: people",
            "2: serves: expected 'profiles' or 'platform', found 'people'; write 'profiles' or 'platform'",
        ),
        ("serves: platform", "", "the contract of an image has no 'serves'"),
        ("serves: platform", "serves: platform\ncomands: {}", "has a key 'comands', which is not known; did you mean 'commands'?"),
        ("serves: platform", "serves: platform\nimports: [no-module]", "'no-module' is no module of Python; write it as an import does"),
        ("serves: platform", "serves: platform\nfiles: [etc/x]", "'etc/x' is no path in an image; begin it with '/'"),
        (
            "serves: platform",
            "serves: platform\ntasks: [{title: T, frames: {a: ../b}, run: [x], leaves: [y]}]",
            "'../b' does not lie below",
        ),
    ],
)
def test_a_mistake_in_a_contract_gets_its_sentence(tmp_path, old, new, sentence):
    file = tmp_path / "contract.yaml"
    file.write_text("contract: 1\nserves: platform\ntitle: T\n".replace(old, new))
    with pytest.raises(ConfigError) as raised:
        load_contract(file)
    assert sentence in str(raised.value)


def test_every_task_is_done_on_real_files_of_the_demo_releases():
    brought = ROOT / ".bowerbird"
    frames = [path for contract in KNOWN.values() for task in contract.tasks for path in task.frames.values()]
    assert frames
    for path in frames:
        if not (brought / "demo-data").is_dir():
            pytest.skip("the data of the demo releases are not here: ./bowerbird up brings them")
        assert os.path.getsize(brought / path) > 1_000_000
