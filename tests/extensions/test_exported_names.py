"""The public names, and what an import costs."""

import subprocess
import sys

import bowerbird


def test_all_holds_every_public_name_and_no_other() -> None:
    import inspect

    public = {name for name, thing in vars(bowerbird).items() if not name.startswith("_") and not inspect.ismodule(thing)}
    assert public == set(bowerbird.__all__)
    assert bowerbird.__all__ == sorted(bowerbird.__all__)


def test_every_public_name_is_documented_as_astropy_does() -> None:
    for name in bowerbird.__all__:
        assert getattr(bowerbird, name).__doc__, name
    assert "Parameters\n    ----------" in (bowerbird.cutout.__doc__ or "")


def test_the_function_stays_the_function_when_the_module_of_its_name_is_imported() -> None:
    import bowerbird.cutout

    assert callable(bowerbird.cutout)
    assert callable(bowerbird.releases)
    assert callable(bowerbird.about)


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout.strip()


def test_the_import_needs_neither_astropy_nor_jupyter() -> None:
    heavy = "{'astropy', 'numpy', 'pyvo', 'httpx', 'IPython', 'ipywidgets', 'jupyter_server', 'tornado'}"
    assert run(f"import sys, bowerbird; print({heavy} & set(sys.modules))") == "set()"


def test_the_core_needs_no_jupyter() -> None:
    jupyter = "{'IPython', 'ipywidgets', 'jupyter_server', 'tornado'}"
    assert run(f"import sys, bowerbird.image, bowerbird.product; print({jupyter} & set(sys.modules))") == "set()"
