"""What the plugin is started with; the supervisor hands the same words on to it."""

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bowerbird_config.paths import Var


@dataclass(frozen=True, slots=True)
class Options:
    """The command line, read."""

    var: Var
    driver: str
    node: str
    kubelet: Path
    hub: str
    token_file: Path
    hub_ca: Path | None
    metrics_port: int | None
    warm: Path | None
    cgroups: Path | None
    turn: int | None


def parse(words: Sequence[str], environment: Mapping[str, str] = os.environ) -> Options:
    """Return what a command line asks for; SystemExit with a sentence where it asks for nothing sensible."""
    parser = argparse.ArgumentParser(
        prog="python -m bowerbird_fuse.csi", description="Shows pods of this node their users' data, as kubelet asks for it."
    )
    parser.add_argument("--var", type=Path, required=True, help="state directory of this node, a host path")
    parser.add_argument("--driver", required=True, help="the CSIDriver's name, which is the audience of all tokens too")
    parser.add_argument("--node", default=environment.get("NODE_NAME"), help="the node's name; $NODE_NAME where it is left out")
    parser.add_argument("--kubelet", type=Path, default=Path("/var/lib/kubelet"), help="kubelet's directory")
    parser.add_argument("--hub", required=True, help="address of the hub's door for node plugins")
    parser.add_argument("--token-file", type=Path, default=Path("/var/run/secrets/bowerbird/token"), help="the plugin's own bound token")
    parser.add_argument("--hub-ca", type=Path, help="certificates that sign the hub's")
    parser.add_argument("--metrics-port", type=int, help="where /metrics is served; nowhere where it is left out")
    parser.add_argument("--warm", type=Path, help="directory in which keeper and plugin say that they are ready to take their turn")
    parser.add_argument("--cgroups", type=Path, help="the node's control groups; where it is left out, processes of pods are not limited")
    parser.add_argument("--turn", type=int, help=argparse.SUPPRESS)
    told = parser.parse_args(words)
    if not told.node:
        parser.error("the node has no name: --node, or NODE_NAME in the environment")
    if not told.hub.startswith(("http://", "https://")):
        parser.error(f"--hub {told.hub!r} is no http or https address")
    return Options(
        var=Var(told.var.resolve()),
        driver=told.driver,
        node=told.node,
        kubelet=told.kubelet,
        hub=told.hub,
        token_file=told.token_file,
        hub_ca=told.hub_ca,
        metrics_port=told.metrics_port,
        warm=told.warm,
        cgroups=told.cgroups,
        turn=told.turn,
    )
