"""Ports: the wanted one where it is free, never two the same."""

import socket
from dataclasses import astuple
from pathlib import Path

import pytest
from bowerbird_config.paths import Var
from bowerbird_hub.supervision import ports
from bowerbird_hub.supervision.ports import NoFreePort, Ports, choose, is_free


def test_wanted_port_is_taken_where_it_is_free() -> None:
    wanted = choose("127.0.0.1", 0).public
    chosen = choose("127.0.0.1", wanted)
    assert chosen.public == wanted
    assert len(set(astuple(chosen))) == 6
    assert all(is_free("127.0.0.1", port) for port in astuple(chosen))


def test_another_is_chosen_where_somebody_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert not is_free("127.0.0.1", port)
        assert port not in astuple(choose("127.0.0.1", port))


def test_port_of_a_connection_that_winds_down_is_free() -> None:
    port = choose("127.0.0.1", 0).public
    with socket.socket() as server, socket.socket() as client:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", port))
        server.listen()
        client.connect(("127.0.0.1", port))
        connection, _ = server.accept()
        connection.close()
    assert is_free("127.0.0.1", port)


def test_machine_without_a_free_port_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "is_free", lambda address, port: False)
    with pytest.raises(NoFreePort, match=r"no free port was found on 127\.0\.0\.1"):
        choose("127.0.0.1", 8000)


def test_ports_of_an_earlier_version_are_kept_and_a_new_part_gets_its_own(tmp_path: Path) -> None:
    var, chosen = Var(tmp_path), Ports(1, 2, 3, 4, 5, 6)
    var.run.mkdir()
    assert ports.read(var, otherwise=chosen) is None
    (var.run / "ports.json").write_text('{"public": 11, "hub": 12, "proxy_api": 13, "cas": 14}')
    assert ports.read(var, otherwise=chosen) == Ports(11, 12, 13, 14, 5, 6)
    ports.write(var, Ports(11, 12, 13, 14, 15, 16))
    assert ports.read(var, otherwise=chosen) == Ports(11, 12, 13, 14, 15, 16)
