"""The `bowerbird` command: check, diff, explain, render and schema here; the other members add theirs by entry points."""

import json
import os
import re
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import click

from bowerbird_config.absent import absences
from bowerbird_config.access import decide, explain
from bowerbird_config.answers import change_rows, decision_json, offers_json, offers_text, problems_json, right_text, until
from bowerbird_config.chart import helm
from bowerbird_config.chart.values_file import read_values, values_text
from bowerbird_config.differences import differences
from bowerbird_config.identity import ANONYMOUS, Identity
from bowerbird_config.install import Install
from bowerbird_config.load import load, sources
from bowerbird_config.model import parse_moment
from bowerbird_config.named import NamedPath
from bowerbird_config.offers import resources
from bowerbird_config.paths import Var
from bowerbird_config.platform import Platform
from bowerbird_config.problems import ConfigError, choose_from
from bowerbird_config.remembered import file_of_last_start, read_last_good
from bowerbird_config.resources import FORMS, Action, HomeRef, Resource, ServerRef, parse_resource
from bowerbird_config.schema import schema, values_schema
from bowerbird_config.terminal import table
from bowerbird_config.user_names import user_name

_COMMANDS = "bowerbird.commands"
_JSON = "--json"
# What asks a cluster is a member's, since it takes a client of Kubernetes.
_CHECKS = "bowerbird.checks"
_NOBODY = "-"
# Longer than any sentence; click cuts off what is longer, and wraps lines by itself.
_WHOLE = 1000


class CannotRun(click.ClickException):
    """The command has no answer; exit code 2."""

    exit_code = 2

    def show(self, file: Any = None) -> None:
        """Print the sentence alone."""
        click.echo(self.message, err=True, file=file)


class FoundWrong(CannotRun):
    """What the command was given or found is not in order, a platform file first of all; exit code 1."""

    exit_code = 1


class CommandGroup(click.Group):
    """Commands, each with the whole first sentence of its help in the list of all."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, self._summary(ctx, name)) for name in self.list_commands(ctx)])

    def _summary(self, ctx: click.Context, name: str) -> str:
        try:
            command = self.get_command(ctx, name)
        except CannotRun as error:
            return error.message
        return command.get_short_help_str(_WHOLE) if command else ""


class _Commands(CommandGroup):
    """Our commands and those of the members, each loaded when it is called and not before; with --json all outcomes are JSON."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[_JSON] = _JSON in args
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except click.ClickException as error:
            if not ctx.meta[_JSON]:
                raise
            _json(_refusal_json(error))
            ctx.exit(error.exit_code)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *_contributed()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        own = super().get_command(ctx, cmd_name)
        contributed = _contributed().get(cmd_name)
        if own is not None or contributed is None:
            return own
        try:
            return _loaded(contributed)
        except ImportError as error:
            raise CannotRun(f"'{cmd_name}' cannot run in this environment ({error}); run it by ./bowerbird") from error


def _contributed() -> Mapping[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=_COMMANDS)}


def _loaded(point: EntryPoint) -> click.Command:
    command = point.load()
    if not isinstance(command, click.Command):
        raise ImportError(f"{point.value} is not a command")
    return command


class _Moment(click.ParamType[datetime]):
    """A time with its UTC offset."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        try:
            return parse_moment(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class _Label(click.ParamType[str]):
    """A name that Kubernetes takes: a DNS label (RFC 1123) of at most so many letters."""

    name = "name"

    def __init__(self, longest: int) -> None:
        self._longest = longest

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if len(value) > self._longest or not re.fullmatch("[a-z0-9]([-a-z0-9]*[a-z0-9])?", value):
            words = f"1 to {self._longest} small letters, digits and '-', and begins and ends with a letter or digit"
            self.fail(f"{value!r} is no name on a cluster; one has {words}", param, ctx)
        return str(value)


# Helm takes no longer name, since it writes words of its own behind it.
RELEASE_NAME, NAMESPACE_NAME = _Label(53), _Label(63)


class _User(click.ParamType[str]):
    """A user by the name that the hub knows, or nobody."""

    name = "user"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return value if value == _NOBODY else user_name(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class _Resource(click.ParamType[Resource]):
    """A resource by its kind and name."""

    name = "resource"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Resource:
        try:
            return parse_resource(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def default_file(var: Path | None = None, environment: Mapping[str, str] = os.environ) -> Path:
    """Return the platform file that is meant where none is named: the running platform's, else the default one."""
    if var is None and environment.get("BOWERBIRD_PLATFORM"):
        return Path(environment["BOWERBIRD_PLATFORM"])
    state = _state(var, environment)
    started = file_of_last_start(state)
    return started or (state.own_platform if state.own_platform.exists() else Install.from_environment(environment).default_platform)


def _state(var: Path | None, environment: Mapping[str, str] = os.environ) -> Var:
    """Return the state directory that is meant."""
    return Var(var or Path(environment.get("BOWERBIRD_VAR") or Install.from_environment(environment).default_var))


def _named(file: Path | None, var: Path | None) -> Path:
    found = file or default_file(var)
    if not found.exists():
        raise FoundWrong(f"{found}: there is no such file; name a platform file")
    return found


def _platform(file: Path) -> Platform:
    """Load a file for a command that needs a right one."""
    try:
        return load(file)
    except ConfigError as error:
        raise FoundWrong(str(error)) from error


def _in_force(file: Path | None, var: Path | None) -> Platform:
    """Load the named file, or the running platform's; where that is broken the last good one is in force, which is said."""
    if file is not None:
        return _platform(_named(file, var))
    try:
        return _platform(_named(None, var))
    except FoundWrong as error:
        last = read_last_good(_state(var).platform)
        if last is None:
            raise
        click.echo(
            f"{error.message}\nthe answer is that of the last good platform file, which stays in force until this one is right", err=True
        )
        return last


def _identity(platform: Platform, user: str, groups: tuple[str, ...]) -> Identity:
    return ANONYMOUS if user == _NOBODY else platform.identity(user, (*platform.directory_groups(user), *groups))


def _refusal_json(error: click.ClickException) -> dict[str, Any]:
    """Return what a program is told in place of an answer, as `check` tells it of a wrong file; `right` is null where nobody knows."""
    cause = error.__cause__
    if isinstance(cause, ConfigError):
        problems = problems_json(cause.problems)
    else:
        problems = [{"file": None, "line": None, "what": error.format_message(), "remedy": None}]
    return {"right": False if error.exit_code == FoundWrong.exit_code else None, "problems": problems}


def _json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


_FILE = click.argument("file", required=False, type=NamedPath(path_type=Path, readable=False))
_AT = click.option("--at", type=_Moment(), metavar="TIME", help="at this time instead of now, such as 2027-03-01T00:00:00Z")
_GROUPS = click.option("--groups", multiple=True, metavar="GROUP", help="a directory group of the user; may be given again")
_VAR = click.option("--var", type=NamedPath(path_type=Path), metavar="DIR", help="ask about the platform of this state directory")
_AS_JSON = click.option(_JSON, "as_json", is_flag=True, help="print JSON")
_FILES = click.option(
    "-f",
    "--file",
    "files",
    multiple=True,
    type=NamedPath(path_type=Path, readable=False),
    help="a platform file or a file of values; of several, a later one goes before an earlier one",
)
_RELEASE = click.option("--release", type=RELEASE_NAME, default="bowerbird", show_default=True, help="the name of the release on a cluster")
_NAMESPACE = click.option("-n", "--namespace", type=NAMESPACE_NAME, default="bowerbird", show_default=True, help="its namespace")


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Set up, run and ask a Bowerbird science platform."""


@cli.command()
@_FILE
@click.option("--as", "user", type=_User(), metavar="USER", help=f"print what USER is offered and may read; {_NOBODY} for nobody signed in")
@_GROUPS
@_AT
@_VAR
@_AS_JSON
@click.option("--cluster", is_flag=True, help="say what the cluster lacks for it instead, before the roll-out; nothing is changed")
@_FILES
@_RELEASE
@_NAMESPACE
@click.option("--kubeconfig", type=NamedPath(path_type=Path), metavar="FILE", help="which cluster, and as whom; $KUBECONFIG otherwise")
@click.option("--context", help="the context of the kubeconfig; its current one otherwise")
def check(file: Path | None, var: Path | None, as_json: bool, cluster: bool, files: tuple[Path, ...], **more: Any) -> None:
    """Say everything that is wrong with a platform file or, with --cluster, all that a cluster lacks for it."""
    asked = any(more[key] for key in ("user", "groups", "at"))
    if asked and (cluster or not more["user"]):
        raise click.UsageError("--groups and --at are for --as, and --as is not for --cluster")
    if cluster:
        named = tuple(_named(each, var) for each in ((file, *files) if file else files or (None,)))
        sys.exit(_check_of("cluster")(named, *(more[key] for key in ("release", "namespace", "kubeconfig", "context")), as_json=as_json))
    if files:
        raise click.UsageError("-f is for --cluster; name the platform file alone")
    _check_file(_named(file, var), more["user"], more["groups"], more["at"], _state(var).releases, as_json=as_json)


def _check_of(name: str) -> Callable[..., int]:
    """Return the check that a member brings."""
    try:
        (point,) = (point for point in entry_points(group=_CHECKS) if point.name == name)
        found: Callable[..., int] = point.load()
    except (ImportError, ValueError) as error:
        raise CannotRun(f"'check --{name}' cannot run in this environment ({error}); run it by ./bowerbird") from error
    return found


def _check_file(file: Path, user: str | None, groups: tuple[str, ...], at: datetime | None, releases: Path, *, as_json: bool) -> None:
    try:
        platform = load(file)
    except ConfigError as error:
        if as_json:
            _json({"right": False, "problems": problems_json(error.problems)})
        else:
            click.echo(str(error), err=True)
        sys.exit(1)
    at = at or datetime.now(UTC)
    identity = _identity(platform, user, groups) if user else None
    absent = absences(file, platform, releases, Install.from_environment()) if not identity else []
    if as_json:
        files = [str(source) for source in sources(file)]
        missing = {"absent": problems_json(absent)}
        _json({"right": True, "problems": [], "files": files, **missing, **(offers_json(platform, identity, at) if identity else {})})
    else:
        click.echo(offers_text(platform, identity, at) if identity else right_text(file, platform))
        # The file is right all the same: it may be for another machine.
        for problem in absent:
            click.echo(str(problem), err=True)


@cli.command()
@click.argument("old", type=NamedPath(path_type=Path, readable=False))
@click.argument("new", required=False, type=NamedPath(path_type=Path, readable=False))
@_AT
@click.option("--then", type=_Moment(), metavar="TIME", help="the time of NEW; that of --at where absent")
@_AS_JSON
def diff(old: Path, new: Path | None, at: datetime | None, then: datetime | None, as_json: bool) -> None:
    """Say who gains and who loses which access.

    Between two files or, with --then, between two times.
    """
    if new is None and then is None:
        raise click.UsageError("name a second file, or a second time with --then")
    at = at or datetime.now(UTC)
    changes = differences(_platform(_named(old, None)), _platform(_named(new or old, None)), at, then or at)
    if as_json:
        _json([{"change": c.kind.value, "who": c.who, "action": c.action, "resource": c.resource} for c in changes])
    else:
        click.echo(table(("", "who", "may", "resource"), change_rows(changes)) or "nobody gains or loses any access")


@cli.command("explain", epilog=f"RESOURCE is one of {FORMS}. USER {_NOBODY!r} is nobody signed in.")
@click.argument("user", type=_User())
@click.argument("action", type=click.Choice([action.value for action in Action]), metavar="ACTION")
@click.argument("resource", type=_Resource())
@click.option("--file", type=NamedPath(path_type=Path, readable=False), help="the platform file")
@_GROUPS
@_AT
@_VAR
@_AS_JSON
def explain_command(  # noqa: PLR0913, PLR0917  # one for each option of the command
    user: str,
    action: str,
    resource: Resource,
    file: Path | None,
    groups: tuple[str, ...],
    at: datetime | None,
    var: Path | None,
    as_json: bool,
) -> None:
    """Say whether USER may do ACTION to RESOURCE, and why.

    Names the rule, until when it holds, and who can change it.
    """
    platform = _in_force(file, var)
    at = at or datetime.now(UTC)
    identity = _identity(platform, user, groups)
    truth = explain(platform, identity, Action(action), resource, at)
    shown = decide(platform, identity, Action(action), resource, at)
    note = _undefined(platform, resource)
    if as_json:
        asked = {"user": identity.name, "action": action, "resource": str(resource), "at": at.isoformat()}
        _json({**asked, "decision": decision_json(truth), "shown": decision_json(shown), "note": note})
        return
    rows = [
        ("answer", "allowed" if truth.allowed else "refused"),
        ("why", truth.sentence),
        ("rule", truth.rule),
        ("until", until(truth.until)),
    ]
    rows += [("who can", truth.grantor)] if truth.grantor else []
    rows += [("is shown", shown.sentence)] if shown != truth else []
    rows += [("sign-in", f"{identity.name} may not sign in")] if identity.name and not platform.admits(identity, at) else []
    rows += [("note", note)] if note else []
    click.echo("\n".join(f"{name:<8}  {text}" for name, text in rows))


def _undefined(platform: Platform, resource: Resource) -> str:
    """Return what to say of a resource that the platform file does not define; nothing of one that it may not know."""
    own = isinstance(resource, HomeRef) or (isinstance(resource, ServerRef) and resource not in resources(platform))
    known = [str(r) for r in resources(platform) if type(r) is type(resource)]
    return "" if own or str(resource) in known else f"{str(resource)!r} is not defined; {choose_from(str(resource), known)}"


@cli.command("schema")
@click.option("--values", is_flag=True, help="print that of the chart's values instead")
def schema_command(values: bool) -> None:
    """Print the JSON schema of the platform file."""
    _json(values_schema() if values else schema())


@cli.command()
@_FILES
@click.option("--values", is_flag=True, help="print the values that belong to a platform file instead")
@_RELEASE
@_NAMESPACE
def render(files: tuple[Path, ...], values: bool, release: str, namespace: str) -> None:
    """Print the manifests of a platform on Kubernetes, as Helm makes them from its values."""
    named = [_named(file, None) for file in files or (None,)]
    try:
        if values:
            click.echo(values_text(named[0]), nl=False)
        else:
            click.echo(helm.render(Install.from_environment().chart, read_values(*named)[1], release, namespace), nl=False)
    except ConfigError as error:
        raise FoundWrong(str(error)) from error
    except (helm.HelmMissing, helm.HelmRefused) as error:
        raise CannotRun(str(error)) from error


def main() -> None:
    """Run the command."""
    cli(prog_name="bowerbird")
