"""A backup of one machine, laid out as the volumes of a cluster's install are: the same files, uids, accounts and keys.

data/       what `data.storage` holds: homes, spaces, releases, with their owners
hub/        the hub's volume; services/ that of the services; both belong to the user that the chart's pods run as
secret.yaml the Secret with the platform's keys, without which nothing that the database holds encrypted can be read
platform.yaml where the platform was started with a file of its own
"""

import base64
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import yaml
from bowerbird_config.paths import Var
from bowerbird_hub.chart import POD_USER
from bowerbird_hub.chart.make_secrets import KEYS, secret_of
from bowerbird_hub.state.backup import BackupError, restore
from bowerbird_hub.state.secret_files import OWN, read_secret
from bowerbird_hub.state.state_files import write_text

_DATA = ("homes", "spaces", "releases")


def restore_to_cluster(place: Path, target: Path, release: str, namespace: str) -> int:
    """Put a backup into a new directory, as the volumes of that install want it; returns the number of files. All of it or nothing."""
    if os.geteuid() != 0:
        raise BackupError("only root can give files back to their owners; run it as root")
    if target.exists():
        raise BackupError(f"{target} exists already; name a new directory")
    draft = target.with_name(f".{target.name}.unfinished-{os.getpid()}")
    try:
        draft.mkdir(mode=0o700, parents=True)
        var = Var(draft / "hub")
        copied = restore(place, var)
        _lay_out(var, draft)
        write_text(draft / "secret.yaml", yaml.safe_dump(_secret(var, release, namespace)), 0o600)
        shutil.rmtree(var.secrets)
        _give(draft / "hub")
        _give(draft / "services")
        draft.rename(target)
    except OSError as error:
        raise BackupError(f"the backup was not restored: {error.strerror} ({error.filename}); nothing of it is left") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return copied


def _lay_out(var: Var, draft: Path) -> None:
    for part, names in (("data", _DATA), ("services", ("services",))):
        (draft / part).mkdir(mode=0o755)
        for name in names:
            with suppress(FileNotFoundError):
                (var.root / name).rename(draft / part / name)
    with suppress(FileNotFoundError):
        var.own_platform.rename(draft / "platform.yaml")
    # What tells of the machine's platform file: a cluster's hub has its own in a ConfigMap.
    for told in (var.last_start, var.platform):
        told.unlink(missing_ok=True)


def _secret(var: Var, release: str, namespace: str) -> Mapping[str, object]:
    kept = {name: base64.b64encode(read_secret(var, name).encode()).decode() for name in OWN if name in KEYS}
    made = secret_of(f"{release}-secrets")
    metadata = {**made["metadata"], "namespace": namespace}
    return {**made, "metadata": metadata, "data": {**made["data"], **kept}}


def _give(place: Path) -> None:
    """Give a volume to the pods' user, whoever owned its parts on one machine; links are given and not followed."""
    for directory, names, files in os.walk(place):
        for name in (*names, *files):
            os.chown(Path(directory, name), POD_USER, POD_USER, follow_symlinks=False)
    os.chown(place, POD_USER, POD_USER)
