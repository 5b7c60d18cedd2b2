"""No failure shows or refers to what a request holds, and TLS verifies whom the key is sent to."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp.connector
import pytest
import trio
from servers import CHUNKED_HEAD, Peer, chunk, chunked, serve

from gestura.errors import ConfigError, GesturaError, TransportError
from gestura.transport import HttpRequest, Transport

CANARY = "sk-canary-0123456789"


async def ask(transport: Transport, url: str, key: str = CANARY) -> bytes:
    request = HttpRequest(
        url=url, headers={"Authorization": f"Bearer {key}", "x-api-key": key}, body=b"prompt " + CANARY.encode()
    )
    got = b""
    async with transport.open(request, on_connect=lambda: None) as response:
        while data := await response.receive_some():
            got += data
    return got


def everything_shown_by(error: BaseException) -> str:
    """All that a log, a traceback (local variables included) or a curious debugger shows of an exception."""
    shown = [*traceback.format_exception(error), *traceback.TracebackException.from_exception(error).format()]
    seen: set[int] = set()
    pending: list[BaseException | None] = [error]
    while pending:
        current = pending.pop()
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        shown += [repr(current), str(current), repr(current.args), repr(vars(current))]
        for frame, _ in traceback.walk_tb(current.__traceback__):
            if "/tests/" not in frame.f_code.co_filename:
                shown += map(repr, frame.f_locals.values())
        pending += [current.__cause__, current.__context__]
    return "\n".join(shown)


async def say_nothing(peer: Peer) -> None:
    await peer.read_request()


async def reset(peer: Peer) -> None:
    await peer.read_request()
    peer.reset()


async def babble(peer: Peer) -> None:
    await peer.read_request()
    await peer.send(b"220 smtp.example ESMTP\r\n\r\n")


async def truncate(peer: Peer) -> None:
    await peer.read_request()
    await peer.send(CHUNKED_HEAD, chunk(b"data"))


async def compress(peer: Peer) -> None:
    await peer.read_request()
    await peer.answer(b"\x1f\x8b", Content_Encoding="gzip")


async def refuse_as_a_proxy(peer: Peer) -> None:
    await peer.read_request()
    await peer.answer(b"", status="407 Proxy Authentication Required")


@pytest.mark.parametrize("behave", [say_nothing, reset, babble, truncate, compress])
async def test_a_failed_answer_shows_no_key(open_transport, behave: Callable[[Peer], Awaitable[None]]) -> None:
    """However an answer fails, neither the exception nor what it refers to holds the key or the body."""
    async with serve(behave) as server, open_transport() as transport:
        with pytest.raises(TransportError) as caught:
            await ask(transport, server.url)

    assert CANARY not in everything_shown_by(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:1/", "http://nowhere.invalid/", f"http://me:{CANARY}@127.0.0.1/", f"{CANARY}://x", "http://["],
)
async def test_a_failed_connection_shows_no_key(open_transport, url: str) -> None:
    """Nobody there, no such host, or no URL at all: nothing of the request is shown."""
    async with open_transport() as transport:
        with pytest.raises(GesturaError) as caught:
            await ask(transport, url)

    shown = everything_shown_by(caught.value)
    assert CANARY not in shown.replace(repr(HttpRequest(url=url)), "")


async def test_a_refused_header_shows_no_key(open_transport) -> None:
    """A key with a line break is refused without being shown."""
    async with open_transport() as transport:
        with pytest.raises(ConfigError) as caught:
            await ask(transport, "http://127.0.0.1:1/", key=f"{CANARY}\n")

    assert CANARY not in everything_shown_by(caught.value)


async def test_a_failing_proxy_shows_no_key(open_transport, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the request's key nor the proxy's password is shown when the proxy refuses, and no body is sent to it."""
    async with serve(refuse_as_a_proxy) as server, open_transport() as transport:
        monkeypatch.setenv("https_proxy", f"http://me:{CANARY}@127.0.0.1:{server.port}")
        monkeypatch.delenv("no_proxy", raising=False)
        with pytest.raises(TransportError, match=r"proxy.*407") as caught:
            await ask(transport, "https://api.invalid/v1")

    assert CANARY not in everything_shown_by(caught.value)


async def test_a_missing_proxy_shows_no_key(open_transport, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that is not there is told as such, without its password."""
    monkeypatch.setenv("http_proxy", f"http://me:{CANARY}@127.0.0.1:1")
    async with open_transport() as transport:
        with pytest.raises(TransportError, match="proxy") as caught:
            await ask(transport, "http://api.invalid/v1")

    assert CANARY not in everything_shown_by(caught.value)


async def test_a_proxy_that_is_no_http_proxy_is_refused(open_transport, monkeypatch: pytest.MonkeyPatch) -> None:
    """A SOCKS proxy in the environment is told before anything is sent, not silently passed by."""
    monkeypatch.setenv("http_proxy", f"socks5://me:{CANARY}@127.0.0.1:1")
    async with open_transport() as transport:
        with pytest.raises(ConfigError, match="socks5") as caught:
            await ask(transport, "http://api.invalid/v1")

    assert CANARY not in everything_shown_by(caught.value)


# TLS.


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 that nobody signed, with its key."""
    if (openssl := shutil.which("openssl")) is None:
        pytest.skip("the openssl command is needed to make a certificate")
    folder = tmp_path_factory.mktemp("tls")
    made = folder / "made.pem"
    command = (
        f"{openssl} req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=loopback "
        f"-addext subjectAltName=IP:127.0.0.1 -keyout {folder / 'key.pem'} -out {made}"
    )
    subprocess.run(command.split(), check=True, capture_output=True)
    both = folder / "both.pem"
    both.write_bytes((folder / "key.pem").read_bytes() + made.read_bytes())
    return both


@pytest.fixture
def server_tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


async def test_a_certificate_that_nobody_vouches_for_is_refused(open_transport, server_tls: ssl.SSLContext) -> None:
    """The key is sent to no server that can't show who it is; another attempt would not help."""

    async def must_not_be_asked(peer: Peer) -> None:
        await peer.read_request()
        raise AssertionError("the request was sent")

    async with serve(must_not_be_asked, tls=server_tls) as server, open_transport() as transport:
        with pytest.raises(TransportError, match="certificate is not valid: self-signed") as caught:
            await ask(transport, server.url)

    assert not caught.value.retryable
    assert CANARY not in everything_shown_by(caught.value)


@pytest.fixture
def trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The certificate is one that this machine trusts."""
    trusting = ssl.create_default_context(cafile=str(certificate))
    monkeypatch.setattr(aiohttp.connector, "_SSL_CONTEXT_VERIFIED", trusting)


@pytest.mark.usefixtures("trusted")
async def test_a_certificate_for_another_name_is_refused(open_transport, server_tls: ssl.SSLContext) -> None:
    """A server that shows a trusted certificate of somebody else's gets no request."""

    async def must_not_be_asked(peer: Peer) -> None:
        await peer.read_request()
        raise AssertionError("the request was sent")

    async with serve(must_not_be_asked, tls=server_tls) as server, open_transport() as transport:
        with pytest.raises(TransportError, match=r"certificate is not valid: .*[Hh]ostname mismatch") as caught:
            await ask(transport, server.url.replace("127.0.0.1", "localhost"))

    assert not caught.value.retryable
    assert CANARY not in everything_shown_by(caught.value)


@pytest.mark.usefixtures("trusted")
async def test_a_tls_server_that_ignores_the_close_holds_nothing_up(open_transport, server_tls: ssl.SSLContext) -> None:
    """Neither a stream that is left nor an idle connection waits for the server to agree to its close."""
    over = trio.Event()

    async def answer_and_hang(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(CHUNKED_HEAD, chunk(b"data: one\n\n"))
        if peer.number == 2:
            await peer.send(chunk(b""))
        await over.wait()

    async with serve(answer_and_hang, tls=server_tls) as server:
        async with (
            open_transport() as transport,
            transport.open(HttpRequest(url=server.url), on_connect=lambda: None) as response,
        ):
            assert await response.receive_some() == b"data: one\n\n"
            assert await ask(transport, server.url) == b"data: one\n\n"  # its connection is idle now
            left = trio.current_time()
        assert trio.current_time() - left < 5
        over.set()


@pytest.mark.usefixtures("trusted")
async def test_streams_over_tls(open_transport, server_tls: ssl.SSLContext) -> None:
    """Over TLS a stream arrives as over TCP, its connection is used again, and leaving early closes it at once."""
    gone = trio.Event()

    async def answer_twice_then_stall(peer: Peer) -> None:
        for _ in range(2):
            await peer.read_request()
            await peer.send(CHUNKED_HEAD + chunked([b"data: one\n\n", b"data: two\n\n"]))
        await peer.read_request()
        await peer.send(CHUNKED_HEAD, chunk(b"data: three\n\n"))
        await peer.wait_gone()
        gone.set()

    async with serve(answer_twice_then_stall, tls=server_tls) as server, open_transport() as transport:
        for _ in range(2):
            assert await ask(transport, server.url) == b"data: one\n\ndata: two\n\n"
        async with transport.open(HttpRequest(url=server.url), on_connect=lambda: None) as response:
            assert await response.receive_some() == b"data: three\n\n"
        with trio.fail_after(5):
            await gone.wait()

    assert server.connections == 1


@pytest.mark.usefixtures("trusted")
async def test_tls_connections_that_are_read_in_turn_keep_apart(open_transport, server_tls: ssl.SSLContext) -> None:
    """Connections that have a buffer in common give each reader its own bytes, however long."""
    turn = [b"%d" % number * 50_000 for number in range(5)]

    async def answer(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(CHUNKED_HEAD)
        for _ in range(3):
            await peer.send(chunk(turn[peer.number - 1]))
        await peer.send(chunk(b""))

    got: list[bytes] = []

    async def read(transport: Transport, url: str) -> None:
        got.append(await ask(transport, url))

    async with serve(answer, tls=server_tls) as server, open_transport() as transport, trio.open_nursery() as nursery:
        for _ in turn:
            nursery.start_soon(read, transport, server.url)

    assert [3 * piece for piece in turn] == sorted(got)
