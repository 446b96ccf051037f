"""A stand-in for the keeper: takes orders on the real socket, and mounts a tmpfs for each view."""

import subprocess
import sys
from pathlib import Path

from behaviour import begin
from bowerbird_config.paths import Var
from bowerbird_config.sockets import listen, read_lines, write_line


def main() -> None:
    """Run until killed; mounts stay behind, as after a crash."""
    var = Var(Path(sys.argv[sys.argv.index("--var") + 1]))
    begin("keeper")
    views: dict[str, Path] = {}
    with listen(var.keeper_socket) as socket:
        while True:
            connection, _ = socket.accept()
            with connection:
                for order in read_lines(connection):
                    if order["op"] == "mount":
                        views[order["user"]] = mount(var.views / order["user"])
                    told = [{"user": user, "path": str(path), "worker_pid": None, "healthy": True} for user, path in views.items()]
                    write_line(connection, {"ok": True, "views": told})


def mount(path: Path) -> Path:
    """Mount something at a view's place."""
    path.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(path)], check=True)
    return path


if __name__ == "__main__":
    main()
