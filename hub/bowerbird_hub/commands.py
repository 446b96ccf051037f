"""The operator's commands: up, status, down, logs, backup, restore, unit."""

import asyncio
import json
import os
import pwd
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from bowerbird_config.cli import NAMESPACE_NAME, RELEASE_NAME, CannotRun, FoundWrong
from bowerbird_config.install import Install
from bowerbird_config.load import ConfigError
from bowerbird_config.named import NamedPath
from bowerbird_config.paths import Var
from bowerbird_config.platform import Platform
from bowerbird_hub.managed import VO
from bowerbird_hub.state import copied, layout
from bowerbird_hub.state.backup import BackupError, back_up
from bowerbird_hub.state.backup import restore as put_back
from bowerbird_hub.state.logs import Follower, logs_in, tail
from bowerbird_hub.state.to_cluster import restore_to_cluster
from bowerbird_hub.supervision import ending, handover
from bowerbird_hub.supervision.board import Board, Journal, told_by_holder
from bowerbird_hub.supervision.daemon import detach
from bowerbird_hub.supervision.planning import (
    CannotStart,
    Request,
    for_this_machine,
    is_of_another_file,
    platform_file,
    read_platform,
    refuse_taken_port,
)
from bowerbird_hub.supervision.ports import NoFreePort
from bowerbird_hub.supervision.ports import read as read_ports
from bowerbird_hub.supervision.status import status_of
from bowerbird_hub.supervision.status_words import in_words
from bowerbird_hub.supervision.table import display_on
from bowerbird_hub.supervision.unit import unit as unit_of
from bowerbird_hub.supervision.up import Start, serve


def _var(_context: click.Context, _parameter: click.Parameter, value: str | None) -> Var:
    if value is None:
        return _readable(Var(Install.from_environment().default_var))
    place = Path(os.path.abspath(value))
    in_the_way = next((path for path in (place, *place.parents) if os.path.exists(path) and not os.path.isdir(path)), None)
    if in_the_way is not None:
        raise click.BadParameter(f"{in_the_way} is a file; name a directory")
    return _readable(Var(place))


def _readable(var: Var) -> Var:
    """Return the state directory; CannotRun where it is somebody else's, whose files say nothing to us."""
    if os.path.isdir(var.root / "state") and not os.access(var.root / "state", os.R_OK | os.X_OK, effective_ids=True):
        owner = _named(var.root.stat().st_uid)
        raise CannotRun(f"{var.root} belongs to {owner}; run it as that user, or name a --var of your own")
    return var


def _named(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def var_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the option that names the state directory."""
    words = "the platform's state directory; the checkout's var/ otherwise"
    return click.option("--var", type=NamedPath(), metavar="DIR", callback=_var, help=words)(command)


@click.command()
@click.argument("file", required=False, type=NamedPath(dir_okay=False, readable=False))
@click.option("--detach", "detached", is_flag=True, help="return when the platform is ready, and let it run on")
@click.option("--port", type=click.IntRange(0, 65535), help="listen here instead of where FILE says; 0 for any free port")
@var_option
def up(file: str | None, detached: bool, port: int | None, var: Var) -> None:
    """Start the platform that FILE describes, and keep it running until Ctrl-C."""
    request = Request(Install.from_environment(), var, Path(os.path.abspath(file)) if file else None, port)
    try:
        platform = read_platform(request)
        layout.refuse_unfit(var)
        if said := copied.disown(var):
            click.echo(said)
        ending.wait_while_ending(var)
        refuse_taken_port(request, platform)
        # Of a start that is refused nothing is left behind, so only now.
        layout.claim(var)
        if handover.ask_for_it(var, request.install):
            click.echo("the supervisor of older code has left; its parts are taken over, and those of older code replaced")
        with layout.held(var):
            (var.logs).mkdir(mode=0o700, exist_ok=True)
            sys.exit(_start(request, platform, detached=detached))
    except ConfigError as error:
        raise FoundWrong(f"{error}\n{platform_file(request)} is not in order; nothing was started") from error
    except (layout.LayoutError, CannotStart) as error:
        raise CannotRun(str(error)) from error
    except layout.VarInUse:
        click.echo(_of_running(request, wait=detached))


def _of_running(request: Request, *, wait: bool) -> str:
    """Return what a second `up` says; FoundWrong where what runs is not what was asked for, or is not up yet."""
    var, file, port = request.var, request.file, request.port
    is_up = ending.is_up_after_start(var) if wait else told_by_holder(var).get("phase") == "running"
    said = already_running(var)
    if port and is_elsewhere(var, port):
        raise FoundWrong(f"{said}, and `bowerbird up --port {port}` then starts it there")
    if file and is_of_another_file(request):
        raise FoundWrong(f"{said}, and `bowerbird up {shlex.quote(str(file))}` then starts that of this file")
    if not is_up:
        raise FoundWrong(said)
    return said


def _start(request: Request, platform: Platform, *, detached: bool) -> int:
    journal = Journal(request.var.logs / "supervisor.log")
    board = Board(request.var, [display_on(sys.stdout), journal])

    def work(over: Callable[[int], None]) -> int:
        try:
            return asyncio.run(serve(request, platform, board, Start(over, fallible=detached)))
        except (layout.LayoutError, CannotStart, NoFreePort) as error:
            click.echo(str(error), err=True)
            return CannotRun.exit_code

    if not detached:
        return work(lambda code: board.say("Ctrl-C ends it"))

    def begin(over: Callable[[int], None]) -> int:
        def over_and_alone(code: int) -> None:
            board.only(journal)
            over(code)

        layout.rename_holder(request.var)
        return work(over_and_alone)

    return detach(begin, journal.path)


def is_elsewhere(var: Var, port: int) -> bool:
    """Tell whether the platform that runs is at another port than that."""
    ports = read_ports(var)
    return bool(ports and told_by_holder(var) and ports.public != port)


def already_running(var: Var) -> str:
    """Return what a second `up` says."""
    told = told_by_holder(var)
    if not told:
        return f"another command is at work on {var.root}; try again in a moment"
    return f"already {told.get('phase', 'running')} at {told['url']} with {told['platform_file']}; `bowerbird down` ends it"


@click.command()
@click.option("--json", "as_json", is_flag=True, help="for programs")
@var_option
def status(as_json: bool, var: Var) -> None:
    """Say what runs, how it is, and what is missing.

    The exit code is 1 where the platform is not up.
    """
    if not as_json and layout_of(var) is None:
        raise FoundWrong(nothing_in(var))
    try:
        said = copied.disown(var)
    except layout.LayoutError as error:
        raise CannotRun(str(error)) from error
    if said and not as_json:
        click.echo(said)
    found = status_of(var)
    click.echo(json.dumps(found.to_json(), indent=1) if as_json else in_words(found))
    sys.exit(0 if found.running else FoundWrong.exit_code)


@click.command()
@click.option("--purge", is_flag=True, help="delete the state directory too, with every home and space in it")
@click.option("--yes", is_flag=True, help="with --purge: do not ask")
@var_option
def down(purge: bool, yes: bool, var: Var) -> None:
    """End the platform, with every server and mount of it."""
    if not var.root.is_dir() or layout_of(var) is None:
        raise FoundWrong(f"{var.root} holds no platform; name it with --var")
    if purge and not yes:
        click.confirm(f"Delete {var.root} with every home, space and secret in it?", abort=True)
    try:
        stuck = ending.end_platform(var, click.echo)
    except layout.LayoutError as error:
        raise CannotRun(str(error)) from error
    except layout.VarInUse as error:
        raise CannotRun(f"another command is at work on {var.root}; try again in a moment") from error
    if stuck:
        raise FoundWrong("\n".join(stuck))
    click.echo("stopped: nothing of it runs or is mounted")
    if purge:
        if why_not := ending.purge(var):
            raise CannotRun(why_not)
        click.echo(f"deleted {var.root}")


@click.command()
@click.argument("part", required=False)
@click.option("-f", "--follow", is_flag=True, help="go on with what is appended, until Ctrl-C")
@click.option("-n", "--lines", type=click.IntRange(min=0), default=40, show_default=True, help="how many lines of each log")
@var_option
def logs(part: str | None, follow: bool, lines: int, var: Var) -> None:
    """Show the logs of all parts, or of PART."""
    names = logs_in(var.logs)
    # A start that failed before there was a platform has left its log all the same.
    if not names and layout_of(var) is None:
        raise FoundWrong(nothing_in(var))
    if part and part not in names:
        of_hub = "; the hub's services write into hub" if part in {VO, f"service {VO}"} else ""
        raise FoundWrong(f"there is no log of {part!r}{of_hub}; there are {', '.join(names) or 'none'}")
    follower = Follower(var.logs, part)
    for name in [part] if part else names:
        show_log(name, tail(names[name], lines), named=part is None)
    if follow:
        try:
            for name, appended in follower.follow():
                show_log(name, appended, named=part is None)
        except KeyboardInterrupt:
            sys.exit(0)


@click.command()
@click.argument("directory", type=NamedPath(path_type=Path))
@click.option("--releases", is_flag=True, help="save the releases under the state directory too")
@var_option
def backup(directory: Path, releases: bool, var: Var) -> None:
    """Save databases, secrets, homes and spaces to DIRECTORY.

    The platform may run meanwhile.
    """
    try:
        copied = back_up(var, Path(os.path.abspath(directory)), with_releases=releases)
    except BackupError as error:
        raise CannotRun(str(error)) from error
    click.echo(f"saved {copied} files to {directory}; it holds secrets and everybody's files")


@click.command()
@click.argument("directory", type=NamedPath(path_type=Path, exists=True, file_okay=False))
@click.option("--cluster", type=NamedPath(path_type=Path), metavar="NEW", help="lay it out in NEW instead, as a cluster's volumes want it")
@click.option("--release", type=RELEASE_NAME, default="bowerbird", show_default=True, help="with --cluster: the name of the release")
@click.option("-n", "--namespace", type=NAMESPACE_NAME, default="bowerbird", show_default=True, help="with --cluster: its namespace")
@var_option
def restore(directory: Path, cluster: Path | None, release: str, namespace: str, var: Var) -> None:
    """Put the backup in DIRECTORY into an empty state directory or, with --cluster, onto the volumes of a cluster."""
    place = Path(os.path.abspath(directory))
    try:
        copied = restore_to_cluster(place, Path(os.path.abspath(cluster)), release, namespace) if cluster else put_back(place, var)
    except BackupError as error:
        raise CannotRun(str(error)) from error
    then = "docs/k3s.md says where each part goes" if cluster else f"`bowerbird up --var {shlex.quote(str(var.root))}` starts it"
    click.echo(f"restored {copied} files to {cluster or var.root}; {then}")


@click.command()
@click.argument("file", required=False, type=NamedPath(dir_okay=False, readable=False))
@click.option("--port", type=click.IntRange(0, 65535), help="the --port that `up` is given")
@var_option
def unit(file: str | None, port: int | None, var: Var) -> None:
    """Print a systemd unit that starts the platform that FILE describes."""
    install, named = Install.from_environment(), Path(os.path.abspath(file)) if file else None
    try:
        for_this_machine(platform_file(Request(install, var, named)))
    except ConfigError as error:
        raise FoundWrong(str(error)) from error
    except CannotStart as error:
        raise CannotRun(str(error)) from error
    click.echo(unit_of(install.root, var.root, named, port), nl=False)


def nothing_in(var: Var) -> str:
    """Return what is said of a directory that holds no platform."""
    return f"{var.root} holds no platform; `bowerbird up` makes one, --var names another"


def layout_of(var: Var) -> int | None:
    """Return the layout's version; CannotRun where it cannot be told."""
    try:
        return layout.version_of(var)
    except layout.LayoutError as error:
        raise CannotRun(str(error)) from error


def show_log(name: str, text: str, *, named: bool) -> None:
    """Print a piece of a log, each line after the part's name where there are several."""
    for line in text.splitlines():
        click.echo(f"{name}: {line}" if named else line)
