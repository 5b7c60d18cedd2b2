"""Which addresses of Redis there are, and that no password is ever told."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from functools import partial

import pytest
import trio
from redis_server import RedisServer
from worlds import QUICK, heard, said, text_of

from gestura.chunks import Done
from gestura.errors import ConfigError
from gestura.relay import LogUnreachable, open_relay
from gestura.relay.redis_line import RedisAddress


@pytest.mark.parametrize(
    ("url", "wrong"),
    [
        ("localhost:6379", "redis://"),
        ("http://localhost", "redis://"),
        ("", "redis://"),
        ("redis://", "names no host"),
        ("redis://:geheim@", "names no host"),
        ("redis://localhost:port", "port"),
        ("redis://localhost:99999", "port"),
        ("redis://[::1", "host"),
        ("redis://localhost/gestura", "number"),
        ("redis://localhost?timeout=3", "timeout"),
        ("rediss://localhost?ssl_ca_certs=/no/such/file", "FileNotFoundError"),
        ("rediss://localhost?ssl_cert_reqs=some", "KeyError"),
        ("unix://", "path"),
    ],
)
def test_an_address_that_can_be_none_is_refused(url: str, wrong: str) -> None:
    with pytest.raises(ConfigError, match=wrong) as told:
        RedisAddress(url)

    assert "geheim" not in str(told.value)


def test_tls_checks_who_is_there_unless_told_not_to() -> None:
    def context(query: str) -> object:
        found = RedisAddress(f"rediss://localhost{query}")._parsed.connection_kwargs["ssl_context"]
        return found.check_hostname, found.verify_mode.name

    assert (True, "CERT_REQUIRED") == context("")
    assert (False, "CERT_REQUIRED") == context("?ssl_check_hostname=false")
    assert (False, "CERT_NONE") == context("?ssl_cert_reqs=none")


def test_an_address_is_shown_without_its_password() -> None:
    assert "redis://localhost:6379/2" == str(RedisAddress("redis://anna:geheim@localhost/2"))
    assert "geheim" not in repr(RedisAddress("redis://anna:geheim@localhost/2"))


async def test_streams_are_published_and_followed_through_redis(redis_server: RedisServer) -> None:
    """Two processes, which share nothing but the server and the prefix."""
    with trio.fail_after(20):
        async with (
            open_relay(redis_server.url, prefix="one", **QUICK) as here,
            open_relay(redis_server.url, prefix="one", **QUICK) as there,
            here.publish("s", said("Hel", "lo", Done())),
        ):
            assert "Hello" == text_of(await heard(there, "s"))


async def deaf(stream: trio.SocketStream) -> None:
    """Never answers."""
    await trio.sleep_forever()


async def short(stream: trio.SocketStream) -> None:
    """Hangs up at once."""
    await stream.aclose()


async def chatty(stream: trio.SocketStream) -> None:
    """Repeats what it was sent in an error, as old versions of Redis do."""
    async for data in stream:
        await stream.send_all(b"-ERR unknown command, with args beginning with: " + repr(data).encode() + b"\r\n")


async def another(stream: trio.SocketStream) -> None:
    """Is no Redis."""
    async for _ in stream:
        await stream.send_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")


@pytest.mark.parametrize("server", [deaf, short, chatty, another])
async def test_a_server_that_is_no_good_is_out_of_reach_and_told_without_the_password(
    server: Callable[[trio.SocketStream], object], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, server, 0, host="127.0.0.1"))
        port = listeners[0].socket.getsockname()[1]
        with trio.fail_after(20):
            async with open_relay(f"redis://anna:ge%20heim@127.0.0.1:{port}", **QUICK) as relay:
                with pytest.raises(LogUnreachable) as raised:
                    await relay.state("s")
        nursery.cancel_scope.cancel()

    told = "".join(traceback.format_exception(raised.value)) + caplog.text
    assert "LogUnreachable" in told
    assert [] == [secret for secret in ("ge heim", "ge%20heim") if secret in told]


async def test_nobody_there_is_out_of_reach() -> None:
    with trio.fail_after(20):
        async with open_relay("redis://127.0.0.1:1", **{**QUICK, "reach_seconds": 0}) as relay:
            with pytest.raises(LogUnreachable, match="redis://127"):
                await relay.state("s")
