"""What comes out of the aiohttp transport is what the server sent, or a `TransportError`."""

from __future__ import annotations

import itertools
import random
import socket
from collections.abc import Callable, Iterable

import pytest
import trio
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from servers import CHUNKED_HEAD, Peer, chunk, chunked, head, serve
from trio.testing import wait_all_tasks_blocked

from gestura.errors import ConfigError, TransportError
from gestura.transport import HttpRequest, HttpResponse, Transport

TOKENS = [f"data: token {number} é\n\n".encode() for number in range(40)]


def nothing() -> None:
    """For requests that don't care when the connection stands."""


async def read_all(response: HttpResponse) -> bytes:
    got = bytearray()
    while data := await response.receive_some():
        got += data
    return bytes(got)


async def fetch(transport: Transport, url: str, body: bytes = b"{}", **headers: str) -> bytes:
    async with transport.open(HttpRequest(url=url, headers=headers, body=body), on_connect=nothing) as response:
        return await read_all(response)


def split(data: bytes, where: Iterable[int]) -> list[bytes]:
    places = [0, *sorted({place % (len(data) + 1) for place in where}), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(places) if start < end]


# What arrives.


async def test_request_and_response_cross_unchanged(open_transport) -> None:
    """Method, path, headers and body reach the server; status, headers and body come back."""
    seen = []

    async def echo(peer: Peer) -> None:
        seen.append(await peer.read_request())
        await peer.answer(b"hello", status="418 I'm a teapot", X_Request_Id="r-1")

    async with serve(echo) as server, open_transport() as transport:
        request = HttpRequest(url=f"{server.url}/chat?alt=sse", headers={"Authorization": "Bearer k"}, body=b'{"a":1}')
        async with transport.open(request, on_connect=nothing) as response:
            assert (response.status, response.headers["x-request-id"]) == (418, "r-1")
            assert await read_all(response) == b"hello"
            assert await response.receive_some() == b""

    (received,) = seen
    assert (received.line, received.body) == ("POST /v1/chat?alt=sse HTTP/1.1", b'{"a":1}')
    assert received.headers["authorization"] == "Bearer k"
    assert received.headers["accept-encoding"] == "identity"
    assert "cookie" not in received.headers


FRAMINGS: dict[str, Callable[[bytes], bytes]] = {
    "chunked": lambda body: CHUNKED_HEAD + chunked([body[:1], body[1:7], body[7:]]),
    "content-length": lambda body: head(Content_Length=str(len(body))) + body,
    "until the connection closes": lambda body: head(Connection="close") + body,
}


@pytest.mark.parametrize("framing", FRAMINGS)
def test_cuts_do_not_matter(open_transport, framing: str) -> None:
    """However the server cuts its response into packets, head included, the same body arrives."""
    body = b"".join(TOKENS)
    wire = FRAMINGS[framing](body)

    @given(st.lists(st.integers(0, len(wire)), max_size=30))
    @example(range(len(CHUNKED_HEAD) + 60))
    @settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
    def check(where: list[int]) -> None:
        async def stutter(peer: Peer) -> None:
            await peer.read_request()
            await peer.send(*split(wire, where))

        async def ask() -> bytes:
            async with serve(stutter) as server, open_transport() as transport:
                return await fetch(transport, server.url)

        assert trio.run(ask) == body

    check()


async def test_events_arrive_as_they_are_sent(open_transport) -> None:
    """Nothing waits for more: the server sends the next event only once the last one was read."""
    was_read = trio.Semaphore(0)

    async def in_step(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(CHUNKED_HEAD)
        for token in TOKENS:
            await peer.send(chunk(token))
            await was_read.acquire()
        await peer.send(chunk(b""))

    async with (
        serve(in_step) as server,
        open_transport() as transport,
        transport.open(HttpRequest(url=server.url), on_connect=nothing) as response,
    ):
        for token in TOKENS:
            assert await response.receive_some() == token
            was_read.release()
        assert await response.receive_some() == b""


async def test_large_bodies_both_ways(open_transport) -> None:
    """Megabytes go up and come down, in reads of at most 64 KiB, and without a warning about the size."""
    body = random.Random(7).randbytes(3_000_000)

    async def mirror(peer: Peer) -> None:
        await peer.answer((await peer.read_request()).body)

    reads = []
    async with (
        serve(mirror) as server,
        open_transport() as transport,
        transport.open(HttpRequest(url=server.url, body=body), on_connect=nothing) as response,
    ):
        while data := await response.receive_some():
            reads.append(data)

    assert b"".join(reads) == body
    assert max(map(len, reads)) <= 65536


async def test_many_streams_do_not_wait_for_each_other(open_transport) -> None:
    """A hundred and twenty responses are open at once: no hidden limit makes the 101st request wait."""
    count = 120
    everybody_is_here = trio.Event()
    here = 0

    async def wait_for_all(peer: Peer) -> None:
        nonlocal here
        await peer.read_request()
        here += 1
        if here == count:
            everybody_is_here.set()
        await everybody_is_here.wait()
        await peer.answer(b"together")

    answers = []
    async with serve(wait_for_all) as server, open_transport() as transport, trio.open_nursery() as nursery:
        for _ in range(count):

            @nursery.start_soon
            async def ask() -> None:
                answers.append(await fetch(transport, server.url))

    assert answers == [b"together"] * count


# What aiohttp would do by itself, and must not.


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"])
async def test_redirects_are_not_followed(open_transport, status: str) -> None:
    """A redirect is a response like any other: the key goes to no other host."""

    async def redirect(peer: Peer) -> None:
        await peer.read_request()
        await peer.answer(b"", status=status, Location=f"http://127.0.0.1:{trap.port}/steal")

    async def must_not_be_asked(peer: Peer) -> None:
        raise AssertionError("the redirect was followed")

    async with (
        serve(must_not_be_asked) as trap,
        serve(redirect) as server,
        open_transport() as transport,
        transport.open(HttpRequest(url=server.url), on_connect=nothing) as response,
    ):
        assert response.status == int(status[:3])


async def test_cookies_are_not_kept(open_transport) -> None:
    """A cookie that a provider sets is never sent back."""
    seen = []

    async def set_cookie(peer: Peer) -> None:
        while True:
            seen.append(await peer.read_request())
            await peer.answer(Set_Cookie="session=1; Path=/")

    async with serve(set_cookie) as server, open_transport() as transport:
        for _ in range(2):
            await fetch(transport, server.url.replace("127.0.0.1", "localhost"))

    assert ["cookie" in request.headers for request in seen] == [False, False]


async def test_netrc_is_ignored(open_transport, tmp_path, monkeypatch) -> None:
    """Credentials that ~/.netrc holds for the host are not sent."""
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password canary\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    seen = []

    async def look(peer: Peer) -> None:
        seen.append(await peer.read_request())
        await peer.answer()

    async with serve(look) as server, open_transport() as transport:
        await fetch(transport, server.url, **{"x-api-key": "k"})

    assert "authorization" not in seen[0].headers


@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd"])
async def test_compression_is_refused(open_transport, encoding: str) -> None:
    """A compressed body was not asked for; it is an error, never garbage and never a decompression bomb."""

    async def compress(peer: Peer) -> None:
        await peer.read_request()
        await peer.answer(b"\x1f\x8b", Content_Encoding=encoding)

    async with serve(compress) as server, open_transport() as transport:
        with pytest.raises(TransportError, match=encoding) as caught:
            await fetch(transport, server.url)

    assert not caught.value.retryable


# Proxies.


async def test_the_proxy_of_the_environment_is_used(open_transport, monkeypatch) -> None:
    """A request to another host goes through the proxy that the environment names."""
    seen = []

    async def proxy(peer: Peer) -> None:
        seen.append(await peer.read_request())
        await peer.answer(b"through the proxy")

    async with serve(proxy) as server, open_transport() as transport:
        monkeypatch.setenv("http_proxy", f"127.0.0.1:{server.port}")
        monkeypatch.setenv("no_proxy", "internal.invalid")
        assert await fetch(transport, "http://api.invalid/v1") == b"through the proxy"
        with pytest.raises(TransportError):
            await fetch(transport, "http://internal.invalid/v1")

    assert [request.line for request in seen] == ["POST http://api.invalid/v1 HTTP/1.1"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_loopback_needs_no_proxy(open_transport, monkeypatch, host: str) -> None:
    """A server on this machine is asked directly, whatever proxy the environment names."""
    monkeypatch.setenv("http_proxy", "http://proxy.invalid:3128")

    async def answer(peer: Peer) -> None:
        await peer.read_request()
        await peer.answer(b"directly")

    async with serve(answer) as server, open_transport() as transport:
        assert await fetch(transport, server.url.replace("127.0.0.1", host)) == b"directly"


# What goes wrong.


BODY = b"".join(TOKENS)


async def read_late(transport: Transport, url: str, got: bytearray) -> None:
    """Read only when everything that is on its way has come: aiohttp would then tell of the broken connection first."""
    async with transport.open(HttpRequest(url=url), on_connect=nothing) as response:
        await wait_all_tasks_blocked(0.01)
        while data := await response.receive_some():
            got += data
            await wait_all_tasks_blocked(0.01)


@pytest.mark.parametrize(
    ("sent", "reset"),
    [
        (head(Content_Length=str(len(BODY) + 1)) + BODY, False),
        (CHUNKED_HEAD + chunk(BODY), False),
        (CHUNKED_HEAD + chunk(BODY) + b"0\r\n", False),
        (CHUNKED_HEAD + chunk(BODY + b"more")[: -len(b"more\r\n")], False),
        (head(Content_Length=str(len(BODY) + 1)) + BODY, True),
        (CHUNKED_HEAD + chunk(BODY), True),
        (CHUNKED_HEAD + chunk(BODY * 100), True),
        (head(Connection="close") + BODY, True),
    ],
)
async def test_a_broken_body_is_an_error_after_all_that_came(open_transport, sent: bytes, reset: bool) -> None:
    """A body that is cut short or reset ends in a `TransportError`, and nothing that came before it is lost."""

    async def break_off(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(sent)
        if reset:
            peer.reset()

    got = bytearray()
    async with serve(break_off) as server, open_transport() as transport:
        with pytest.raises(TransportError) as caught:
            await read_late(transport, server.url, got)

    assert sent.count(BODY) * BODY == got
    assert caught.value.retryable


async def test_a_malformed_body_is_an_error_after_all_that_came(open_transport) -> None:
    """What is no chunk ends a chunked body in a `TransportError`, after the chunks before it."""

    async def lose_count(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(CHUNKED_HEAD)
        await wait_all_tasks_blocked(0.01)
        await peer.send(chunk(BODY) + b"this is no chunk\r\n")
        await peer.wait_gone()

    got = bytearray()
    async with serve(lose_count) as server, open_transport() as transport:
        with pytest.raises(TransportError):
            await read_late(transport, server.url, got)

    assert got == BODY


async def test_a_refused_connection_is_an_error_with_words(open_transport) -> None:
    """Nobody listens: a retryable error that names the address, and the connection never stood."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
        connected = []

        async with open_transport() as transport:
            with pytest.raises(TransportError, match=rf"127\.0\.0\.1:{port}.*refused") as caught:
                async with transport.open(
                    HttpRequest(url=f"http://127.0.0.1:{port}"), on_connect=lambda: connected.append(True)
                ):
                    pass

    assert caught.value.retryable
    assert not connected


async def test_an_unknown_host_is_an_error_with_words(open_transport) -> None:
    """A name without an address is told as such."""
    async with open_transport() as transport:
        with pytest.raises(TransportError, match=r"no address .*nowhere\.invalid"):
            await fetch(transport, "http://nowhere.invalid/")


@pytest.mark.parametrize(
    "sent",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 20_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: y\r\n" % number for number in range(500)) + b"\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    ],
)
async def test_an_answer_that_is_not_http_is_an_error(open_transport, sent: bytes) -> None:
    """A head that is malformed or larger than sense is a `TransportError`, not a fake HTTP status."""

    async def babble(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(sent)
        await peer.wait_gone()

    async with serve(babble) as server, open_transport() as transport:
        with pytest.raises(TransportError, match="not valid HTTP"):
            await fetch(transport, server.url)


async def test_plain_text_where_tls_was_meant_is_not_retryable(open_transport) -> None:
    """A server that does not speak TLS won't learn it by the next attempt."""

    async def plain(peer: Peer) -> None:
        await peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await peer.wait_gone()

    async with serve(plain) as server, open_transport() as transport:
        with pytest.raises(TransportError, match="TLS") as caught:
            await fetch(transport, server.url.replace("http:", "https:"))

    assert not caught.value.retryable


@pytest.mark.parametrize("url", ["", "api.example.com/v1", "file:///etc/passwd", "http:///v1", "http://u:p@127.0.0.1/"])
async def test_a_bad_url_is_refused_before_anything_is_sent(open_transport, url: str) -> None:
    """Only http and https URLs, with a host and without credentials, are asked; the error does not show the URL."""
    async with open_transport() as transport:
        with pytest.raises(ConfigError) as caught:
            await fetch(transport, url)

    assert not url or url not in str(caught.value)


@pytest.mark.parametrize("end", ["\n", "\r", "\0"])
async def test_a_header_with_a_line_break_is_refused_before_anything_is_sent(open_transport, end: str) -> None:
    """A key that was read with its line break is told by the header's name, never shown."""

    async def must_not_be_asked(peer: Peer) -> None:
        raise AssertionError("a connection was made")

    async with serve(must_not_be_asked) as server, open_transport() as transport:
        with pytest.raises(ConfigError, match="x-api-key") as caught:
            await fetch(transport, server.url, **{"x-api-key": f"canary{end}"})

    assert "canary" not in str(caught.value)


# Connections and the pool.


async def test_a_connection_is_used_again_after_a_complete_response(open_transport) -> None:
    """Requests one after another share a connection, and `on_connect` is called for each."""

    async def answer_all(peer: Peer) -> None:
        while True:
            await peer.read_request()
            await peer.send(CHUNKED_HEAD, *map(chunk, TOKENS), chunk(b""))

    connects = 0

    def count() -> None:
        nonlocal connects
        connects += 1

    async with serve(answer_all) as server, open_transport() as transport:
        for _ in range(3):
            async with transport.open(HttpRequest(url=server.url), on_connect=count) as response:
                assert await read_all(response) == BODY

    assert (server.connections, connects) == (1, 3)


async def test_on_connect_comes_before_the_head(open_transport) -> None:
    """The connection is known to stand while the server still thinks."""
    connected = trio.Event()

    async def answer_once_known(peer: Peer) -> None:
        await peer.read_request()
        await connected.wait()
        await peer.answer()

    async with (
        serve(answer_once_known) as server,
        open_transport() as transport,
        transport.open(HttpRequest(url=server.url), on_connect=connected.set) as response,
    ):
        assert await read_all(response) == b"ok"


SURPLUS = head(Content_Length="5") + b"wrong"


@pytest.mark.parametrize(
    "surplus", [SURPLUS, SURPLUS[:20], b"\r\n", b"garbage", SURPLUS * 2], ids=["whole", "half", "blank", "none", "two"]
)
@pytest.mark.parametrize("at_once", [True, False])
async def test_nobody_gets_an_answer_that_nobody_asked_for(open_transport, surplus: bytes, at_once: bool) -> None:
    """What a server sends behind its answer, with it or later, is no answer to the next request."""
    said = trio.Event()

    async def say_too_much(peer: Peer) -> None:
        await peer.read_request()
        answer = CHUNKED_HEAD + chunked([b"connection %d" % peer.number])
        await peer.send(*([answer + surplus] if at_once else [answer]))
        await wait_all_tasks_blocked(0.01)
        if not at_once:
            await peer.send(surplus)
        said.set()
        await peer.read_request()
        await peer.send(answer)

    async with serve(say_too_much) as server, open_transport() as transport:
        assert await fetch(transport, server.url) == b"connection 1"
        await said.wait()
        await wait_all_tasks_blocked(0.01)
        assert (await fetch(transport, server.url)).startswith(b"connection")

    assert server.connections == 2 or (at_once and surplus in (SURPLUS[:20], b"\r\n"))


async def test_a_head_by_itself_is_no_surplus(open_transport) -> None:
    """However head and body share reads, the connection serves the next request."""

    async def answer_in_pieces(peer: Peer) -> None:
        while True:
            await peer.read_request()
            for piece in (head("103 Early Hints") + CHUNKED_HEAD[:20], CHUNKED_HEAD[20:], chunked([b"fine"])):
                await peer.send(piece)
                await wait_all_tasks_blocked(0.01)

    async with serve(answer_in_pieces) as server, open_transport() as transport:
        assert [await fetch(transport, server.url) for _ in range(2)] == [b"fine", b"fine"]

    assert server.connections == 1


@pytest.mark.parametrize("reset", [False, True])
async def test_a_stale_connection_is_replaced_silently(open_transport, reset: bool) -> None:
    """The server closes an idle connection just when it is used: the request goes over a new one, once, unnoticed."""
    bodies = []

    async def tire(peer: Peer) -> None:
        bodies.append((await peer.read_request()).body)
        await peer.answer(f"connection {peer.number}".encode())
        bodies.append((await peer.read_request()).body)
        if reset:
            peer.reset()

    connects = []
    async with serve(tire) as server, open_transport() as transport:
        assert await fetch(transport, server.url, b"one") == b"connection 1"
        request = HttpRequest(url=server.url, body=b"two")
        async with transport.open(request, on_connect=lambda: connects.append(True)) as response:
            assert await read_all(response) == b"connection 2"

    assert (bodies, connects) == ([b"one", b"two", b"two"], [True])


async def test_the_replacement_of_a_stale_connection_is_a_new_one(open_transport) -> None:
    """When the server has tired of all its idle connections, one retry is enough."""
    together = trio.Event()
    idle = 0

    async def tire(peer: Peer) -> None:
        nonlocal idle
        await peer.read_request()
        if peer.number <= 3:
            idle += 1
            if idle == 3:
                together.set()
            await together.wait()
        await peer.answer(b"fine")
        if peer.number <= 3:
            await peer.read_request()

    async with serve(tire) as server, open_transport() as transport:
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(fetch, transport, server.url)
        assert await fetch(transport, server.url) == b"fine"

    assert server.connections == 4


@pytest.mark.parametrize("reset", [False, True])
async def test_a_new_connection_that_dies_is_not_retried(open_transport, reset: bool) -> None:
    """A server that takes the request and dies may have acted on it: that is the policy's business, not ours."""

    async def die(peer: Peer) -> None:
        await peer.read_request()
        if reset:
            peer.reset()

    async with serve(die) as server, open_transport() as transport:
        with pytest.raises(TransportError):
            await fetch(transport, server.url)

    assert server.connections == 1


async def test_half_a_head_on_an_old_connection_is_not_retried(open_transport) -> None:
    """Once a byte of the response has come the request was not lost, and is not sent again."""

    async def begin_to_answer(peer: Peer) -> None:
        await peer.read_request()
        await peer.answer()
        await peer.read_request()
        await peer.send(b"HTTP/1.1 200 OK\r\nX-Half")

    async with serve(begin_to_answer) as server, open_transport() as transport:
        await fetch(transport, server.url)
        with pytest.raises(TransportError):
            await fetch(transport, server.url)

    assert server.connections == 1
