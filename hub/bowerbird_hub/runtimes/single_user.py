"""The program of a single-user server: JupyterHub's own, started without what no single-user server uses.

It runs in the environment of a profile, where nothing else of ours is.
"""

import importlib.util
import os
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType

# Names the file that holds the server's own token, where its environment is for others to read: in a pod.
TOKEN_FILE = "BOWERBIRD_TOKEN_FILE"  # noqa: S105  the name of a variable


def settle(environment: MutableMapping[str, str]) -> None:
    """Take the token from the file that is named, and begin in the home; nothing where none is named."""
    name = environment.pop(TOKEN_FILE, None)
    if name is None:
        return
    try:
        environment["JUPYTERHUB_API_TOKEN"] = Path(name).read_text(encoding="ascii").strip()
        os.chdir(environment["HOME"])
    except OSError as error:
        sys.exit(f"The volume of this server does not bring what it must: {error.filename}: {error.strerror}.")


def come_back() -> None:
    """Go to the directory of the start again before any program is begun.

    Where a view went with all that held it, it is shown anew at its place, and who stood in the one of before stands nowhere: each
    kernel, for which jupyter_client asks where it is, would end with FileNotFoundError.
    """
    home = os.getcwd()

    def look(event: str, _: tuple[object, ...]) -> None:
        if event == "subprocess.Popen":
            with suppress(OSError):  # not shown at this moment: the program says so itself
                os.chdir(home)

    sys.addaudithook(look)


def leave_out() -> None:
    """Keep out of this process the grammar of IRIs, whose making takes a third of a start.

    It would check addresses in the schemas of events; jsonschema does without where it is not installed.
    """
    sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]  # Python's own way to say that there is no such module


def put_off(name: str) -> None:
    """Load a module when something of it is asked for, and not where it is only named."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.loader is None or name in sys.modules:
        return
    spec.loader = importlib.util.LazyLoader(spec.loader)
    module = importlib.util.module_from_spec(spec)
    parent, _, own = name.rpartition(".")
    sys.modules[name] = module
    setattr(sys.modules[parent], own, module)
    spec.loader.exec_module(module)


@contextmanager
def without_the_hubs_pages() -> Iterator[None]:
    """Import what tells the hub's pages from others in its log, without the hub behind them: no such page is served here."""
    pages = {"jupyterhub.handlers": ModuleType("jupyterhub.handlers"), "jupyterhub.handlers.pages": ModuleType("pages")}
    vars(pages["jupyterhub.handlers.pages"])["HealthCheckHandler"] = type("HealthCheckHandler", (), {})
    sys.modules.update(pages)
    try:
        yield
    finally:
        # Who asks for them from now on gets the real ones.
        for name in pages:
            del sys.modules[name]


def serve() -> None:
    """Run JupyterHub's single-user server."""
    # The hub's database, whose libraries are a quarter of a start and of a server's memory.
    put_off("jupyterhub.orm")
    with without_the_hubs_pages():
        import jupyterhub.log  # noqa: F401, PLC0415  only now is it quick
    from jupyterhub.singleuser import main  # noqa: PLC0415  only now is it quick

    main()


if __name__ == "__main__":
    settle(os.environ)
    come_back()
    leave_out()
    serve()
