"""Sockets that are bound once and held for several workers."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from gateway.config.model import Listen
from gateway.errors import LoadError
from gateway.listening import Doors


def port_of(doors: Doors) -> int:
    return int(doors.addresses[0].rpartition(":")[2])


def test_each_worker_has_a_socket_of_its_own_on_one_port() -> None:
    doors = Doors(["127.0.0.1:0", Listen(address="[::1]:0")], 3)
    try:
        for descriptors in doors.descriptors():
            assert len(set(descriptors)) == 3
        ports = [{sock.getsockname()[1] for sock in socks} for socks in doors.sockets]
        assert [len(each) for each in ports] == [1, 1]
        assert doors.addresses[1].startswith("[::1]:")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port_of(doors)))
    finally:
        doors.close()


def test_all_workers_share_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "gateway.sock"
    doors = Doors([f"unix:{path}"], 3)
    assert len(set(doors.descriptors()[0])) == 1
    assert doors.addresses == [f"unix:{path}"]
    doors.close()
    doors.close()
    assert not path.exists()
    assert doors.addresses == []


def test_a_port_that_another_gateway_holds_is_taken() -> None:
    """SO_REUSEPORT alone would let both have it, and each get half of the clients."""
    held = Doors(["127.0.0.1:0"], 2)
    held.sockets[0][1].listen()
    try:
        address = f"127.0.0.1:{port_of(held)}"
        with pytest.raises(LoadError, match=rf"server.listen: {address}: Address already in use"):
            Doors([address], 2)
    finally:
        held.close()


def test_what_was_bound_before_an_address_that_cannot_be_had_is_let_go(tmp_path: Path) -> None:
    path = tmp_path / "gateway.sock"
    with pytest.raises(LoadError, match=r"server.listen: unix:/nowhere/x.sock: No such file"):
        Doors([f"unix:{path}", "unix:/nowhere/x.sock"], 2)
    assert not path.exists()
    with pytest.raises(LoadError, match="expected host:port"):
        Doors(["nonsense"], 2)
