"""Where a checkout's things lie."""

from pathlib import Path

from bowerbird_config.install import Install


def test_launchers_word_is_taken() -> None:
    install = Install.from_environment({"BOWERBIRD_ROOT": "/srv/a checkout"})
    assert install.hub_python == Path("/srv/a checkout/.bowerbird/envs/hub/bin/python")
    assert install.default_platform == Path("/srv/a checkout/config/default/platform.yaml")
    assert install.proxy_command[1].startswith("/srv/a checkout/.bowerbird/node/node_modules/configurable-http-proxy/")


def test_without_a_launcher_it_is_the_checkout_of_this_code() -> None:
    install = Install.from_environment({})
    assert (install.root / "config" / "bowerbird_config" / "install.py").exists()
    assert install.recipe.exists()


def test_one_interpreter_stands_in_for_all() -> None:
    install = Install.from_environment({"BOWERBIRD_PYTHON": "/venv/bin/python"})
    pythons = {install.hub_python, install.fuse_python, install.lab_python, install.cas_python, install.services_python}
    assert pythons == {Path("/venv/bin/python")}


def test_launchers_node_goes_before_the_systems(tmp_path: Path) -> None:
    node = tmp_path / ".bowerbird" / "node" / "bin" / "node"
    assert Install(tmp_path).node != node
    node.parent.mkdir(parents=True)
    node.touch()
    assert Install(tmp_path).node == node


def test_code_is_told_from_newer_code_of_the_same_members_alone(tmp_path: Path) -> None:
    for name in ("fuse/a.py", "fuse/native/b.c", "fuse/notes.md", "hub/c.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    install = Install(tmp_path)
    first = install.code_of("fuse")
    (tmp_path / "fuse" / "notes.md").write_text("no code")
    (tmp_path / "hub" / "c.py").write_text("newer")
    assert install.code_of("fuse") == first
    (tmp_path / "fuse" / "native" / "b.c").write_text("newer")
    second = install.code_of("fuse")
    (tmp_path / "fuse" / "a.py").rename(tmp_path / "fuse" / "d.py")
    assert len({first, second, install.code_of("fuse"), install.code_of("hub", "fuse")}) == 4
