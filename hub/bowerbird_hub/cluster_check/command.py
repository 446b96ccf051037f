"""`bowerbird check --cluster`, of which the command in `config/` tells the options."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click
import yaml
from bowerbird_config.answers import problems_json
from bowerbird_config.chart import helm
from bowerbird_config.chart.values_file import read_values
from bowerbird_config.cli import CannotRun
from bowerbird_config.install import Install
from bowerbird_config.problems import ConfigError
from bowerbird_hub.cluster_check.cluster import NoCluster, api_of, read
from bowerbird_hub.cluster_check.lack import Lack
from bowerbird_hub.cluster_check.lacks import lacks
from bowerbird_hub.cluster_check.wanted import Wanted


def check_cluster(
    files: Sequence[Path], release: str, namespace: str, kubeconfig: Path | None, context: str | None, *, as_json: bool
) -> int:
    """Print what the cluster lacks of what these values need, and return the exit code: 1 where it lacks something."""
    try:
        values, tree = read_values(*files)
    except ConfigError as error:
        if as_json:
            _json({"right": False, "problems": problems_json(error.problems)})
        else:
            click.echo(str(error), err=True)
        return 1
    chart = Install.from_environment().chart
    try:
        wanted = Wanted.of(release, namespace, values, helm.render(chart, tree, release, namespace))
        found = asyncio.run(_ask(wanted, chart, kubeconfig, context))
    except (helm.HelmMissing, helm.HelmRefused, NoCluster) as error:
        raise CannotRun(str(error)) from error
    return _tell(found, as_json=as_json)


async def _ask(wanted: Wanted, chart: Path, kubeconfig: Path | None, context: str | None) -> list[Lack]:
    oldest = yaml.safe_load((chart / "Chart.yaml").read_text())["kubeVersion"]
    async with api_of(kubeconfig, context) as client:
        return lacks(wanted, await read(client, wanted), oldest)


def _tell(found: Sequence[Lack], *, as_json: bool) -> int:
    lacking, untold = ([lack for lack in found if lack.known is known] for known in (True, False))
    if as_json:
        _json(
            {
                "right": not lacking,
                "problems": [],
                "lacks": [_plain(lack) for lack in lacking],
                "unknown": [_plain(lack) for lack in untold],
            }
        )
    else:
        for lack in found:
            click.echo(str(lack), err=True)
        if not lacking:
            click.echo(f"the cluster lacks nothing{' that could be told' if untold else ''}")
    return 1 if lacking else 0


def _plain(lack: Lack) -> dict[str, str]:
    return {key: value for key, value in asdict(lack).items() if key != "known"}


def _json(value: object) -> None:
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))
