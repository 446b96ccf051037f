"""`bowerbird images`: build, install, test, list, save and find the images of `images/`."""

import json
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click

from bowerbird_config.cli import CannotRun, CommandGroup, FoundWrong, default_file
from bowerbird_config.images import finding, on_machine, trial
from bowerbird_config.images.building import Workplace, run, supply
from bowerbird_config.images.contract import Contract, contracts
from bowerbird_config.images.engine import DEBIAN, ENGINES, CannotBuild, engine
from bowerbird_config.install import Install
from bowerbird_config.load import load
from bowerbird_config.named import Named, NamedPath
from bowerbird_config.problems import ConfigError, choose_from
from bowerbird_config.profiles import IMAGES
from bowerbird_config.terminal import table

_ENGINE = click.option(
    "--engine", "engine_name", type=click.Choice(ENGINES), help="which program builds; the first that is here where absent"
)
_NAMES = click.argument("names", nargs=-1, metavar="[IMAGE]...")
_NOTHING: Mapping[str, str] = {}
_SHORT = 12
_AS_JSON = click.option("--json", "as_json", is_flag=True, help="print JSON")


def _said(command: Callable[..., None]) -> Callable[..., None]:
    """Turn what cannot be done into its sentence alone."""

    @wraps(command)
    def inner(*arguments: Any, **options: Any) -> None:
        try:
            command(*arguments, **options)
        except ConfigError as error:
            raise FoundWrong(str(error)) from error
        except CannotBuild as error:
            raise CannotRun(str(error)) from error

    return inner


def _folder() -> Path:
    return Install.from_environment().images


def _known() -> Mapping[str, Contract]:
    found = contracts(_folder())
    if not found:
        raise CannotBuild(f"{_folder()} holds no images; run this from a checkout")
    return found


def _chosen(names: Iterable[str]) -> Mapping[str, Contract]:
    """Return the named images, or all, each after the one that it stands on."""
    known, wanted = _known(), set(names)
    for name in sorted(wanted - set(known)):
        of_environment = IMAGES.get(name)
        meant = f"the environment '{name}' is that of the image '{of_environment}'" if of_environment else ""
        raise CannotBuild(f"there is no image '{name}'; {meant or choose_from(name, known, 'there are')}")
    return {name: contract for name, contract in known.items() if not wanted or name in wanted}


def _workplace(engine_name: str | None) -> Workplace:
    return Workplace(Install.from_environment().root, engine(engine_name), version("bowerbird-config"))


@click.group(cls=CommandGroup)
def images() -> None:
    """Build, install and test the images of profiles and of the platform, and say which has what."""


@images.command()
@_NAMES
@_ENGINE
@click.option("--base", type=Named(), metavar="IMAGE", help="the Debian that they stand on; a registry's where absent")
@click.option("--debootstrap", is_flag=True, help="make that Debian here, from its packages")
@click.option("--mirror", type=Named(), metavar="URL", help="where debootstrap takes them from; Debian's own server where absent")
@click.option(
    "--supply", "supplied", type=Named(), metavar="NAME=FILE", help="what nobody may hand on, such as 2dfdr=FILE; its checksum by --sha256"
)
@click.option("--sha256", type=Named(), metavar="SUM", help="the checksum of the file of --supply")
@_said
def build(  # noqa: PLR0913, PLR0917  # one for each option of the command
    names: tuple[str, ...],
    engine_name: str | None,
    base: str | None,
    debootstrap: bool,
    mirror: str | None,
    supplied: str | None,
    sha256: str | None,
) -> None:
    """Build images; all of them where none is named."""
    if bool(supplied) != bool(sha256) or (supplied and len(names) != 1):
        raise click.UsageError("--supply is for one named image, and comes with --sha256")
    if debootstrap and base:
        raise click.UsageError("name a Debian with --base, or make one with --debootstrap")
    if mirror and not debootstrap:
        raise click.UsageError("--mirror is for --debootstrap")
    chosen, workplace = _chosen(names), _workplace(engine_name)
    if debootstrap and DEBIAN not in workplace.present():
        workplace.make_debian(mirror)
    for name, contract in chosen.items():
        mounts = supply(name, contract, supplied, sha256) if supplied and sha256 else {}
        workplace.build(name, contract, base, mounts)
        click.echo(f"built {workplace.tag(name)}")


@images.command()
@click.argument("name", metavar="IMAGE")
@_said
def install(name: str) -> None:
    """Make the environment of an image on this machine, where servers are processes, and hold it to its contract."""
    contract, here = _chosen((name,))[name], Install.from_environment()
    environment = finding.environment_of(name, contract)
    if contract.serves == "platform":
        raise CannotBuild(f"'{name}' is a part of the platform and no environment of servers; ./bowerbird up runs it from the checkout")
    if name == IMAGES["lab"]:
        raise CannotBuild(f"'{name}' is the environment '{environment}' here, which ./bowerbird up makes")
    if IMAGES.get(environment) != name:
        raise CannotBuild(f"profiles find the environment '{environment}' by its directory; write it under runtime.environments")
    found = on_machine.of_image(name, here)
    # The launcher has made it already, where it can be made.
    if not found.ready:
        raise CannotBuild(f"the environment '{environment}' {on_machine.ABSENT}; {found.remedy}")
    broken = trial.broken_here(found, contract, here)
    click.echo(
        "\n".join(f"{name}: {line}" for line in broken) or f"{name}: keeps its contract on this machine, in {found.python.parent.parent}"
    )
    for line in on_machine.supplied(contract):
        click.echo(line)
    profiles = _profiles(None, {name: contract}).get(name, [])
    click.echo(f"profiles with it: {', '.join(profiles) or f'none yet; write environment: {environment}'}")
    if broken:
        sys.exit(1)


@images.command()
@_NAMES
@_ENGINE
@_said
def test(names: tuple[str, ...], engine_name: str | None) -> None:
    """Hold images to their contracts, in the images themselves."""
    chosen, workplace = _chosen(names), _workplace(engine_name)
    kept = True
    for name, contract in chosen.items():
        found = trial.broken(workplace, name, contract, Install.from_environment().base)
        kept = kept and not found
        click.echo("\n".join(f"{name}: {line}" for line in found) or f"{name}: keeps its contract")
    if not kept:
        sys.exit(1)


@images.command("list")
@_ENGINE
@_AS_JSON
@_said
def list_images(engine_name: str | None, as_json: bool) -> None:
    """Say which images there are, what each is for, and which are built here, of which revision of the source."""
    known = _known()
    try:
        workplace = _workplace(engine_name)
        present, origins, reason = workplace.present(), workplace.origins(known), ""
    except CannotBuild as error:
        workplace, present, origins, reason = None, {}, {}, str(error)
    tags = {name: str(workplace.tag(name)) if workplace else "" for name in known}
    if as_json:
        rows = [
            {"image": name, "title": of.title, "serves": of.serves, "built": present.get(tags[name])}
            | {word: origins.get(name, _NOTHING).get(word) or None for word in ("revision", "source", "licenses")}
            for name, of in known.items()
        ]
        click.echo(json.dumps(rows, indent=2))
        return
    shown = [
        (name, of.serves, present.get(tags[name], "-"), _short(origins.get(name, _NOTHING).get("revision")), of.title)
        for name, of in known.items()
    ]
    click.echo(table(("image", "serves", "built", "revision", "what it is"), shown))
    if reason:
        click.echo(reason, err=True)


def _short(revision: str | None) -> str:
    """Return a revision as people write it; `+` where the checkout was changed since."""
    commit, _, changed = (revision or "").partition("-")
    return f"{commit[:_SHORT]}{'+' if changed else ''}" or "-"


@images.command()
@click.argument("name", metavar="IMAGE")
@click.argument("file", type=NamedPath(path_type=Path, dir_okay=False))
@_ENGINE
@_said
def save(name: str, file: Path, engine_name: str | None) -> None:
    """Write an image into a file, for nodes that reach no registry: k3s ctr images import FILE."""
    _chosen((name,))
    workplace = _workplace(engine_name)
    if str(workplace.tag(name)) not in workplace.present():
        raise CannotBuild(f"there is no image {workplace.tag(name)} here; make it with: bowerbird images build {name}")
    if file.exists():
        raise CannotBuild(f"{file} is there already; remove it, or name another file")
    run(workplace.engine.save(workplace.tag(name), file), f"{file} was not written")


@images.command()
@click.argument("word")
@click.option("--file", type=NamedPath(path_type=Path, readable=False), help="the platform file whose profiles are named")
@_AS_JSON
@_said
def find(word: str, file: Path | None, as_json: bool) -> None:
    """Say which image, and so which profile, has a program, a module or a pipeline."""
    known = _known()
    found = finding.find(word, known)
    profiles = _profiles(file, known)
    if as_json:
        rows = [{"image": f.image, "profiles": profiles.get(f.image, []), "kind": f.kind, "name": f.thing, "by": f.by} for f in found]
        click.echo(json.dumps(rows, indent=2))
    elif found:
        shown = [(f.image, ", ".join(profiles.get(f.image, [])) or "-", f.kind, f.thing) for f in found]
        click.echo(table(("image", "profiles", "", "found"), shown))
        for line in finding.on_one_machine(found, _remedies()):
            click.echo(line)
    if not found:
        names = {thing for contract in known.values() for _, thing in finding.things(contract)}
        click.echo(f"no image names {word!r}; {choose_from(word, sorted(names), 'they name')}", err=True)
        sys.exit(1)


def _remedies() -> Mapping[str, str]:
    """Return the images that a machine has beside the lab, each with what brings its environment: nothing where it is here."""
    here = Install.from_environment()
    found = {image: on_machine.of_image(image, here) for environment, image in IMAGES.items() if environment != "lab"}
    return {image: "" if environment.ready else environment.remedy for image, environment in found.items()}


def _profiles(file: Path | None, known: Mapping[str, Contract]) -> Mapping[str, list[str]]:
    """Return the profiles of a platform file by their images; none where the one that is meant cannot be read."""
    try:
        offered = load(file or default_file()).profiles
    except ConfigError:
        if file is not None:
            raise
        return {}
    environments = {finding.environment_of(name, contract): name for name, contract in known.items()}
    found: dict[str, list[str]] = {}
    for name, profile in offered.items():
        if profile.environment in environments:
            found.setdefault(environments[profile.environment], []).append(name)
    return found
