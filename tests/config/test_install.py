"""Where a checkout's things lie."""

from pathlib import Path

from bowerbird_config.install import Install


def test_launchers_word_is_taken() -> None:
    install = Install.from_environment({"BOWERBIRD_ROOT": "/srv/a checkout"})
    assert install.hub_python == Path("/srv/a checkout/.bowerbird/envs/hub/bin/python")
    assert install.default_platform == Path("/srv/a checkout/config/default/platform.yaml")
    assert install.proxy_command[1].startswith("/srv/a checkout/.bowerbird/node/node_modules/configurable-http-proxy/")


def test_without_a_launcher_it_is_the_checkout_of_this_code() -> None:
    assert (Install.from_environment({}).root / "config" / "bowerbird_config" / "install.py").exists()


def test_one_interpreter_stands_in_for_all() -> None:
    install = Install.from_environment({"BOWERBIRD_PYTHON": "/venv/bin/python"})
    assert {install.hub_python, install.fuse_python, install.lab_python, install.cas_python} == {Path("/venv/bin/python")}


def test_launchers_node_goes_before_the_systems(tmp_path: Path) -> None:
    node = tmp_path / ".bowerbird" / "node" / "bin" / "node"
    assert Install(tmp_path).node != node
    node.parent.mkdir(parents=True)
    node.touch()
    assert Install(tmp_path).node == node
