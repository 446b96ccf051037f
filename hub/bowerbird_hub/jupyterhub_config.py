"""JupyterHub's configuration: the platform file that the environment names."""

from bowerbird_hub.configure import from_environment

from_environment(get_config())  # type: ignore[name-defined]  # JupyterHub defines it
