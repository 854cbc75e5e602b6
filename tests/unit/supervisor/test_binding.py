"""Who gets the port: all gateways of one Dashcam, and nobody beside them."""

from __future__ import annotations

import contextlib
import select
import socket
from collections.abc import Iterator

import pytest

from proxy.supervisor.binding import PortTakenError, bind, bind_patiently
from tests.support.processes import free_port

HOST = "127.0.0.1"


def _has_ipv6() -> bool:
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))
        return True
    return False


HOSTS = [HOST, "localhost", *(["::1", "[::1]"] if _has_ipv6() else [])]


@contextlib.contextmanager
def held(sockets: list[socket.socket]) -> Iterator[list[socket.socket]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(item) for item in sockets]


@pytest.mark.parametrize("host", HOSTS)
def test_each_gateway_has_a_socket_of_its_own_at_the_one_address(host: str) -> None:
    port = free_port()
    with held(bind(host, port, 3)) as sockets:
        assert {item.getsockname()[1] for item in sockets} == {port}
        with socket.create_connection(sockets[0].getsockname()[:2], timeout=5):
            assert len(select.select(sockets, [], [], 5.0)[0]) == 1


def test_a_client_that_vanishes_without_a_word_will_be_noticed() -> None:
    with held(bind(HOST, free_port(), 1)) as sockets, socket.create_connection(sockets[0].getsockname()):
        served, _ = sockets[0].accept()
        with served:
            assert served.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            if hasattr(socket, "TCP_KEEPIDLE"):
                assert served.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 60


def test_an_address_that_somebody_listens_at_is_taken() -> None:
    with socket.create_server((HOST, 0)) as stranger, pytest.raises(PortTakenError):
        bind(HOST, stranger.getsockname()[1], 1)


def test_a_second_dashcam_does_not_share_the_port_also_before_the_first_ones_gateways_run() -> None:
    port = free_port()
    with held(bind(HOST, port, 1)), pytest.raises(PortTakenError):
        bind(HOST, port, 1)


def test_what_is_left_of_old_connections_does_not_take_the_address() -> None:
    port = free_port()
    with held(bind(HOST, port, 1)) as sockets, socket.create_connection((HOST, port)) as client:
        served, _ = sockets[0].accept()
        served.close()
        assert client.recv(1) == b""
    with held(bind(HOST, port, 1)) as sockets:
        assert sockets[0].getsockname()[1] == port


def test_an_address_that_is_not_ours_is_another_mistake_than_a_taken_one() -> None:
    with pytest.raises(OSError, match=r"assign|not available"):
        bind("192.0.2.1", free_port(), 1)


def test_a_free_port_is_taken_without_a_word() -> None:
    port, said = free_port(), list[str]()
    sockets, got = bind_patiently(HOST, port, 2, may_move=False, say=said.append)
    with held(sockets):
        assert (len(sockets), got, said) == (2, port, [])


def test_the_next_free_port_is_used_where_we_may_move() -> None:
    said: list[str] = []
    port = free_port()
    with socket.create_server((HOST, port)), contextlib.ExitStack() as neighbour:
        with contextlib.suppress(OSError):
            neighbour.enter_context(socket.create_server((HOST, port + 1)))
        sockets, got = bind_patiently(HOST, port, 1, may_move=True, say=said.append, who=lambda: "the neighbour")
        with held(sockets):
            assert port + 1 < got < port + 100
            assert sockets[0].getsockname()[1] == got
    assert said == [f"port {port} is taken by the neighbour; using {got} instead"]


def test_a_port_that_was_asked_for_is_waited_for_and_that_is_said_once() -> None:
    said: list[str] = []
    blocker = socket.create_server((HOST, 0))
    port = blocker.getsockname()[1]

    def say(text: str) -> None:
        said.append(text)
        blocker.close()

    sockets, got = bind_patiently(HOST, port, 1, may_move=False, say=say)
    with held(sockets):
        assert got == port
    assert said == [f"port {port} is taken by another program; waiting up to 30 s for it"]


def test_waiting_has_an_end() -> None:
    with socket.create_server((HOST, 0)) as blocker, pytest.raises(PortTakenError):
        bind_patiently(HOST, blocker.getsockname()[1], 1, may_move=False, say=lambda _: None, patience=0.0)
