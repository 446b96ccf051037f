"""Where everything of one platform lies under its state directory: the one list of names."""

from dataclasses import dataclass
from pathlib import Path

LAYOUT = 1


@dataclass(frozen=True, slots=True)
class Var:
    """The state directory of a platform (`var/` by default); nothing here touches the disk."""

    root: Path

    @property
    def layout(self) -> Path:
        """The file that holds the layout's version."""
        return self.root / "layout"

    @property
    def platform(self) -> Path:
        """The last good platform file, resolved, as JSON; 0600."""
        return self.root / "state" / "platform.json"

    @property
    def own_platform(self) -> Path:
        """The platform file of a first start without one: a copy of the default one, for the admin to edit."""
        return self.root / "platform.yaml"

    @property
    def last_start(self) -> Path:
        """What the last start was asked for, as JSON; `platform_file` is the path of its platform file."""
        return self.root / "state" / "last-start.json"

    @property
    def secrets(self) -> Path:
        """The directory of secrets, one 0600 file each; 0700."""
        return self.root / "secrets"

    @property
    def accounts(self) -> Path:
        """The demo accounts and their passwords, for a person to read; 0600."""
        return self.root / "demo-accounts.txt"

    @property
    def hub(self) -> Path:
        """The hub's own directory: its database and cookie secret; 0700."""
        return self.root / "hub"

    @property
    def database(self) -> Path:
        """The hub's database."""
        return self.hub / "hub.sqlite"

    @property
    def cas(self) -> Path:
        """The demo CAS server's directory."""
        return self.root / "cas"

    @property
    def homes(self) -> Path:
        """The users' homes, `homes/NAME`."""
        return self.root / "homes"

    @property
    def spaces(self) -> Path:
        """The teams' spaces, `spaces/TEAM`."""
        return self.root / "spaces"

    @property
    def releases(self) -> Path:
        """The releases that the platform itself made, `releases/COLLECTION/RELEASE`; 0700 root."""
        return self.root / "releases"

    @property
    def leases(self) -> Path:
        """On a cluster: which pod of a name has its user's data; 0700 root, on the storage that nodes share."""
        return self.root / "leases"

    @property
    def home_storage(self) -> Path:
        """On a cluster: the mark of the storage that homes are on (bowerbird_hub.nodes.storage)."""
        return self.root / "state" / "home-storage"

    @property
    def tables(self) -> Path:
        """The tables of the releases as the services read them, `tables/COLLECTION/RELEASE/`; made again from the releases."""
        return self.root / "tables"

    @property
    def surveys(self) -> Path:
        """The HiPS and MOCs of the releases' images, `surveys/COLLECTION/RELEASE/`; made again from the releases."""
        return self.root / "surveys"

    @property
    def cache(self) -> Path:
        """What can be made again."""
        return self.root / "cache"

    @property
    def usage(self) -> Path:
        """What homes and team spaces use and may use, as JSON; the keeper writes it, 0600."""
        return self.cache / "usage.json"

    @property
    def logs(self) -> Path:
        """One file a part, `logs/PART.log`."""
        return self.root / "logs"

    @property
    def run(self) -> Path:
        """Sockets, process records and mounts of the running platform; empty after a stop."""
        return self.root / "run"

    @property
    def views(self) -> Path:
        """The mount points of views, `run/views/NAME`."""
        return self.run / "views"

    @property
    def identity_socket(self) -> Path:
        """Where the hub serves identity records and the platform file; root only."""
        return self.run / "identity.sock"

    @property
    def services(self) -> Path:
        """What the HTTP services keep: jobs, their results, and room to compute; 0700, theirs."""
        return self.root / "services"

    @property
    def services_socket(self) -> Path:
        """The same as `identity_socket`, for the HTTP services, which are not root."""
        return self.run / "services" / "identity.sock"

    @property
    def releases_socket(self) -> Path:
        """Where the hub hands the directories of the releases to the HTTP services."""
        return self.run / "services" / "releases.sock"

    @property
    def keeper_socket(self) -> Path:
        """Where the keeper takes orders to mount and unmount; root only."""
        return self.run / "keeper.sock"

    @property
    def holder_socket(self) -> Path:
        """Where the holder keeps the mounts' descriptors; root only."""
        return self.run / "holder.sock"
