"""Opening connections: names, families, refusals, time-outs, forbidden addresses, TLS."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Sequence

import pytest

from proxy.domain.provider import INACTIVE, Provider
from proxy.upstream import tls
from proxy.upstream.client import UpstreamClient
from proxy.upstream.failure import FailureReason, UpstreamFailure
from proxy.upstream.origins import Origin
from proxy.upstream.request import RequestHead
from tests.support.asking import send
from tests.support.certificates import Certificates
from tests.support.scripted_upstream import ScriptedUpstream, Turn
from tests.support.waiting import wait_until_async

Providers = Callable[..., Provider]


async def reason_of(client: UpstreamClient, provider: Provider) -> FailureReason:
    with pytest.raises(UpstreamFailure) as broken:
        await send(client, provider, "GET", b"/", [], b"")
    assert "None" not in broken.value.message
    assert broken.value.timing.started_ns
    return broken.value.reason


class Names:
    """A resolver with a fixed table that counts how often it is asked."""

    def __init__(self, table: dict[str, Sequence[str]]) -> None:
        self._table = table
        self.asked = 0

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked += 1
        if host not in self._table:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return self._table[host]


@pytest.fixture
def closed_port() -> Iterator[int]:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


@pytest.fixture
def deaf_port() -> Iterator[int]:
    """A listener whose queue is full: a further connection is never accepted, nor refused."""
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for filler in (first, second):
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


async def test_refused(client: UpstreamClient, provider: Providers, closed_port: int) -> None:
    assert await reason_of(client, provider(f"http://127.0.0.1:{closed_port}")) is FailureReason.REFUSED


async def test_never_accepted(client: UpstreamClient, provider: Providers, deaf_port: int) -> None:
    where = provider(f"http://127.0.0.1:{deaf_port}", connect_timeout=0.1)
    assert await reason_of(client, where) is FailureReason.CONNECT_TIMEOUT


async def test_leaving_while_it_connects_leaves_nothing_behind(
    client: UpstreamClient, provider: Providers, deaf_port: int
) -> None:
    before = len(os.listdir("/dev/fd"))
    call = asyncio.ensure_future(send(client, provider(f"http://127.0.0.1:{deaf_port}"), "GET", b"/", [], b""))
    await wait_until_async(lambda: len(os.listdir("/dev/fd")) > before, "it has a socket")
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert repr(client) == "<UpstreamClient busy=0 idle=0>"


@pytest.mark.parametrize("host", ["nowhere.test", "a" * 80 + ".test", "empty.test"])
async def test_names_without_address(provider: Providers, host: str) -> None:
    client = UpstreamClient(resolve=Names({"empty.test": []}))
    assert await reason_of(client, provider(f"http://{host}:1")) in (FailureReason.DNS, FailureReason.BLOCKED_ADDRESS)


async def test_who_is_switched_off_is_not_asked_for_by_name(provider: Providers) -> None:
    names = Names({})
    with pytest.raises(UpstreamFailure, match="it is not active"):
        await send(UpstreamClient(resolve=names), provider(f"http://acme{INACTIVE}"), "GET", b"/", [], b"")
    assert names.asked == 0


async def test_a_name_that_no_resolver_takes(client: UpstreamClient, provider: Providers) -> None:
    assert await reason_of(client, provider("http://" + "a" * 80 + ".invalid:1")) is FailureReason.DNS


async def test_names_are_resolved_once_in_a_while(provider: Providers) -> None:
    async def hang_up(turn: Turn) -> None:
        await turn.answer(b"", b"Connection: close")

    names = Names({"model.test": ["127.0.0.1"]})
    client = UpstreamClient(resolve=names)
    async with ScriptedUpstream(hang_up) as upstream:
        for _ in range(3):
            where = provider(f"http://model.test:{upstream.port}")
            assert (await send(client, where, "GET", b"/", [], b"")).status == 200
        assert (names.asked, upstream.connections) == (1, 3)
        assert upstream.requests[0].header(b"host") == b"model.test:%d" % upstream.port
    await client.close()


async def test_a_connection_that_took_long_only_because_we_stood_still_is_tried_anew(
    provider: Providers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.upstream.dialling.STANDSTILL_SECONDS", 0.05)

    asked = []

    async def resolve(host: str, _port: int) -> Sequence[str]:
        asked.append(host)
        # The whole process stands still for longer than a connection may take: nothing else is done meanwhile.
        until = time.monotonic() + (0.3 if len(asked) == 1 else 0)
        while time.monotonic() < until:
            pass
        return ["127.0.0.1"]

    client = UpstreamClient(resolve=resolve)
    async with ScriptedUpstream() as upstream:
        where = provider(f"http://slept.test:{upstream.port}", connect_timeout=0.1)
        assert (await send(client, where, "GET", b"/", [], b"")).status == 200
    await client.close()


async def test_a_silent_name_server_is_asked_once_however_many_wait_or_leave(provider: Providers) -> None:
    asked, answer = [], asyncio.Event()

    async def resolve(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        await answer.wait()
        return ["127.0.0.1"]

    client = UpstreamClient(resolve=resolve)
    async with ScriptedUpstream() as upstream:
        url = f"http://slow.test:{upstream.port}"
        for _ in range(2):
            assert await reason_of(client, provider(url, connect_timeout=0.05)) is FailureReason.CONNECT_TIMEOUT
        waiting = [asyncio.ensure_future(send(client, provider(url), "GET", b"/", [], b"")) for _ in range(5)]
        await asyncio.sleep(0)
        answer.set()
        assert [reply.status for reply in await asyncio.gather(*waiting)] == [200] * 5
    assert asked == ["slow.test"]
    await client.close()


@pytest.mark.parametrize("addresses", [["::1", "127.0.0.1"], ["127.0.0.1", "::1"]])
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_the_family_that_answers_wins(provider: Providers, addresses: list[str], host: str) -> None:
    client = UpstreamClient(resolve=Names({"both.test": addresses}))
    async with ScriptedUpstream(host=host) as upstream:
        assert (await send(client, provider(f"http://both.test:{upstream.port}"), "GET", b"/", [], b"")).status == 200
    await client.close()


async def test_a_silent_family_costs_a_quarter_of_a_second_and_is_hung_up_on(
    provider: Providers, deaf_port: int
) -> None:
    client = UpstreamClient(resolve=Names({"both.test": ["127.0.0.1", "::1"]}))
    async with ScriptedUpstream(host="::1", port=deaf_port) as upstream:
        answer = await send(client, provider(f"http://both.test:{upstream.port}"), "GET", b"/", [], b"")
        connected = answer.timing.connected_ns or 0
        assert 0.2 < (connected - answer.timing.started_ns) / 1e9 < 2
        assert asyncio.all_tasks() == {asyncio.current_task()} | {
            task for task in asyncio.all_tasks() if not task.get_name().startswith("dial")
        }
    await client.close()


async def test_all_families_refuse(provider: Providers, closed_port: int) -> None:
    client = UpstreamClient(resolve=Names({"both.test": ["::1", "127.0.0.1"]}))
    assert await reason_of(client, provider(f"http://both.test:{closed_port}")) is FailureReason.REFUSED


@pytest.mark.parametrize(
    "address",
    ["169.254.169.254", "::ffff:169.254.169.254", "64:ff9b::7f00:1", "0.0.0.0", "::", "fe80::1", "fd00:ec2::254"],
)
async def test_blocked_addresses_are_not_dialled_under_any_name(provider: Providers, address: str) -> None:
    client = UpstreamClient(resolve=Names({"rebound.test": [address]}))
    assert await reason_of(client, provider("http://rebound.test:80")) is FailureReason.BLOCKED_ADDRESS
    literal = f"[{address}]" if ":" in address else address
    assert await reason_of(UpstreamClient(), provider(f"http://{literal}:80")) is FailureReason.BLOCKED_ADDRESS


async def test_a_private_address_needs_permission_and_our_own_is_never_dialled(provider: Providers) -> None:
    async with ScriptedUpstream() as upstream:
        private = provider(upstream.url, allow_private=False)
        assert await reason_of(UpstreamClient(), private) is FailureReason.BLOCKED_ADDRESS
        own = UpstreamClient(forbidden=frozenset({("127.0.0.1", upstream.port)}))
        for host in ("127.0.0.1", "[::ffff:127.0.0.1]", "localhost", "127.0.0.2"):
            where = provider(f"http://{host}:{upstream.port}")
            assert await reason_of(own, where) in (FailureReason.BLOCKED_ADDRESS, FailureReason.REFUSED)
        assert upstream.connections == 0


async def test_a_blocked_address_does_not_spoil_a_good_one(provider: Providers) -> None:
    client = UpstreamClient(resolve=Names({"mixed.test": ["169.254.169.254", "127.0.0.1"]}))
    async with ScriptedUpstream() as upstream:
        assert (await send(client, provider(f"http://mixed.test:{upstream.port}"), "GET", b"/", [], b"")).status == 200
    await client.close()


# -- TLS ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


async def test_tls_with_an_authority_of_ones_own(
    client: UpstreamClient, provider: Providers, certificates: Certificates
) -> None:
    async with ScriptedUpstream(tls=certificates.server_context()) as upstream:
        where = provider(f"https://localhost:{upstream.port}", ca_file=certificates.path("ca.pem"))
        answers = [await send(client, where, "POST", b"/", [], b"x" * 100_000) for _ in range(2)]
        assert [answer.timing.reused for answer in answers] == [False, True]
        assert [data for _, data in answers[0].take_ready()] == [b'{"ok":true}']
        await client.close()
        await wait_until_async(lambda: upstream.open_connections == 0, "closed")


async def test_tls_back_pressure_leaves_a_connection_that_can_be_used_again(
    client: UpstreamClient, provider: Providers, certificates: Certificates
) -> None:
    body = b"x" * (4 << 20)
    async with ScriptedUpstream(lambda turn: turn.answer(body), tls=certificates.server_context()) as upstream:
        where = provider(f"https://localhost:{upstream.port}", ca_file=certificates.path("ca.pem"))
        for reused in (False, True, True):
            answer = await send(client, where, "GET", b"/", [], b"")
            assert answer.timing.reused is reused
            received = 0
            while (piece := await answer.read()) is not None:
                received += len(piece[1])
                await asyncio.sleep(0)
            assert received == len(body)
        await client.close()
        await wait_until_async(lambda: upstream.open_connections == 0, "closed")


@pytest.mark.parametrize("case", ["unknown authority", "wrong host", "no such file", "no TLS there"])
async def test_tls_that_cannot_be_trusted(
    client: UpstreamClient, provider: Providers, certificates: Certificates, case: str
) -> None:
    context = None if case == "no TLS there" else certificates.server_context()
    host = "127.0.0.2" if case == "wrong host" else "127.0.0.1"
    authority = {"unknown authority": None, "no such file": certificates.path("gone.pem")}
    async with ScriptedUpstream(tls=context, host=host) as upstream:
        where = provider(f"https://{host}:{upstream.port}", ca_file=authority.get(case, certificates.path("ca.pem")))
        if case == "no TLS there":
            where = provider(f"https://{host}:{upstream.port}", connect_timeout=1.0)
        assert await reason_of(client, where) in (FailureReason.TLS, FailureReason.CONNECT_TIMEOUT)
        assert upstream.requests == []


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_client_certificate_is_shown(
    client: UpstreamClient, provider: Providers, certificates: Certificates, version: ssl.TLSVersion
) -> None:
    async with ScriptedUpstream(tls=certificates.server_context(asks_client=True, version=version)) as upstream:
        url, authority = f"https://localhost:{upstream.port}", certificates.path("ca.pem")
        with pytest.raises(UpstreamFailure):
            await send(client, provider(url, ca_file=authority), "GET", b"/", [], b"")
        assert upstream.requests == []
        shown = {"client_cert": certificates.path("client.pem"), "client_key": certificates.path("client.key")}
        assert (await send(client, provider(url, ca_file=authority, **shown), "GET", b"/", [], b"")).status == 200
        await client.close()
        await wait_until_async(lambda: upstream.open_connections == 0, "closed")


async def test_an_upstream_that_misses_a_client_certificate_says_so_late(
    client: UpstreamClient, provider: Providers, certificates: Certificates
) -> None:
    """With TLS 1.3 the alert comes after the client's handshake; the standard library's blocking server sends it."""

    def refuse() -> None:
        accepted = listener.accept()[0]
        with accepted.dup() as kept:
            with pytest.raises(ssl.SSLError):
                certificates.server_context(asks_client=True).wrap_socket(accepted, server_side=True)
            # Closing with something unread would reset the connection and may overtake the alert.
            while kept.recv(65536):
                pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        refusing = asyncio.get_running_loop().run_in_executor(None, refuse)
        where = provider(f"https://localhost:{listener.getsockname()[1]}", ca_file=certificates.path("ca.pem"))
        assert await reason_of(client, where) is FailureReason.TLS
        await refusing


async def test_ssl_cert_file_is_honoured(
    client: UpstreamClient, provider: Providers, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", certificates.path("ca.pem"))
    tls.context_for.cache_clear()
    async with ScriptedUpstream(tls=certificates.server_context()) as upstream:
        answer = await send(client, provider(f"https://localhost:{upstream.port}"), "GET", b"/", [], b"")
        assert answer.status == 200
        await client.close()
        await wait_until_async(lambda: upstream.open_connections == 0, "closed")
    tls.context_for.cache_clear()


async def test_a_unix_socket_is_an_origin_too(client: UpstreamClient, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = str(tmp_path_factory.mktemp("s") / "s")
    where = Origin(host="control", port=80, unix_path=path, connect_timeout=1.0)
    line = b"GET / HTTP/1.1\r\nHost: control\r\n"
    with pytest.raises(UpstreamFailure, match="cannot be reached"):
        await client.send(RequestHead(where, "GET", b"/", line, 5, 5), b"")
    upstream = ScriptedUpstream(unix_path=path)
    async with upstream:
        answer = await client.send(RequestHead(where, "GET", b"/", line, 5, 5), b"")
        assert answer.status == 200
        assert upstream.requests[0].head == line + b"\r\n"
