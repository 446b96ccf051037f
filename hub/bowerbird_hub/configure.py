"""Platform -> JupyterHub's configuration, for the place where the hub runs; `deployments/` has one module for each."""

import os
from collections.abc import Mapping
from typing import Any

from bowerbird_config.problems import ConfigError


def from_environment(c: Any, environment: Mapping[str, str] = os.environ) -> None:
    """Fill JupyterHub's configuration from what the supervisor, or the chart, put into the environment."""
    # Each knows packages that the other place need not have.
    if "BOWERBIRD_PODS" in environment:
        from bowerbird_hub.deployments import cluster  # noqa: PLC0415

        try:
            cluster.from_environment(c, environment)
        except (cluster.NotConfigured, ConfigError) as error:
            raise SystemExit(str(error)) from error
    else:
        from bowerbird_hub.deployments import machine  # noqa: PLC0415

        machine.from_environment(c, environment)
