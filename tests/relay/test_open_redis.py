"""Which addresses of Redis there are, and that no password is ever told."""

from __future__ import annotations

import logging
import shutil
import ssl
import subprocess
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from uuid import uuid4

import attrs
import pytest
import trio
from redis_server import NO_REDIS, RedisServer, running_redis
from worlds import QUICK, heard, said, text_of

from gestura.chunks import Done
from gestura.errors import ConfigError
from gestura.relay import LogUnreachable, RelayError, open_relay
from gestura.relay.redis import open_redis
from gestura.relay.redis_line import RedisAddress

HASTY = attrs.evolve(QUICK, reach_seconds=1.0, answer_seconds=0.5)
"""Soon tired of a server that does not answer."""


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
            open_relay(redis_server.url, prefix="one", settings=QUICK) as here,
            open_relay(redis_server.url, prefix="one", settings=QUICK) as there,
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


@pytest.mark.parametrize("server", [deaf, short])
async def test_a_server_that_is_no_good_is_out_of_reach_and_told_without_the_password(
    server: Callable[[trio.SocketStream], object], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, server, 0, host="127.0.0.1"))
        port = listeners[0].socket.getsockname()[1]
        with trio.fail_after(20):
            async with open_relay(f"redis://anna:ge%20heim@127.0.0.1:{port}", settings=HASTY) as relay:
                with pytest.raises(LogUnreachable) as raised:
                    await relay.state("s")
        nursery.cancel_scope.cancel()

    told = "".join(traceback.format_exception(raised.value)) + caplog.text
    assert "LogUnreachable" in told
    assert [] == [secret for secret in ("ge heim", "ge%20heim") if secret in told]


async def refused(url: str, caplog: pytest.LogCaptureFixture) -> str:
    """What is told of a server that can't be used, at once, and with no secret in it."""
    caplog.set_level(logging.DEBUG)
    began = trio.current_time()
    with trio.fail_after(20), pytest.raises(ConfigError) as raised:
        async with open_relay(url, settings=attrs.evolve(HASTY, reach_seconds=15.0)):
            pass

    assert trio.current_time() - began < 5
    told = "".join(traceback.format_exception(raised.value)) + caplog.text
    assert [] == [secret for secret in ("ge heim", "ge%20heim") if secret in told]
    return str(raised.value)


@pytest.mark.parametrize("scheme", ["redis", "rediss"])
@pytest.mark.parametrize("server", [chatty, another])
async def test_what_is_no_redis_is_told_of_at_once(
    server: Callable[[trio.SocketStream], object], scheme: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, server, 0, host="127.0.0.1"))
        port = listeners[0].socket.getsockname()[1]
        told = await refused(f"{scheme}://anna:ge%20heim@127.0.0.1:{port}", caplog)
        nursery.cancel_scope.cancel()

    assert ("not Redis" if scheme == "redis" else "does not speak TLS") in told


@pytest.mark.parametrize(
    ("scheme", "rest", "wrong"),
    [
        ("redis://anna:ge%20heim@", "", "user name or the password is wrong"),
        ("redis://", "/9999", "no database"),
        ("rediss://:ge%20heim@", "", "does not answer in TLS"),
    ],
)
async def test_an_address_that_the_server_can_not_serve_is_told_of_at_once(
    redis_server: RedisServer, scheme: str, rest: str, wrong: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert wrong in await refused(f"{scheme}127.0.0.1:{redis_server.port}{rest}", caplog)


async def test_a_password_that_is_missing_is_asked_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with running_redis(tmp_path) as server:
        if server is None:
            pytest.skip(NO_REDIS)
        async with open_redis(server.url) as (log, _):
            await log._line.ask(("CONFIG", "SET", "requirepass", "ge heim"))
        assert "wants a password" in await refused(server.url, caplog)
        async with open_redis(server.url.replace("//", "//:ge%20heim@")) as (log, _):
            await log.beat("anna")


async def test_a_certificate_that_is_not_good_is_told_of_at_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One that signed itself, unless the address says that it may."""
    openssl = shutil.which("openssl") or pytest.skip("openssl is not installed")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(  # noqa: ASYNC221
        f"{openssl} req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost "
        f"-addext subjectAltName=IP:127.0.0.1 -keyout {key} -out {certificate}".split(),
        check=True,
        capture_output=True,
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)

    async def serve(stream: trio.SSLStream[trio.SocketStream]) -> None:
        with suppress(trio.BrokenResourceError):
            await another(stream)

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_ssl_over_tcp, serve, 0, context, host="127.0.0.1"))
        url = f"rediss://:ge%20heim@127.0.0.1:{listeners[0].transport_listener.socket.getsockname()[1]}"
        assert "certificate is refused: self-signed" in await refused(url, caplog)
        assert "not Redis" in await refused(f"{url}?ssl_ca_certs={certificate}", caplog)
        nursery.cancel_scope.cancel()


async def test_what_redis_refuses_is_told_in_its_own_words(redis_server: RedisServer) -> None:
    """For good, at once; for now, as out of reach, which is tried again; and a bug is neither."""
    prefix = uuid4().hex
    async with open_relay(redis_server.url, prefix=prefix, settings=attrs.evolve(QUICK, reach_seconds=60.0)) as relay:
        await relay.log._line.ask(("SET", f"{prefix}:stream:s", "no hash"))
        with trio.fail_after(5), pytest.raises(RelayError, match=r"refuses: .*wrong kind of value") as raised:
            await relay.state("s")
        assert not isinstance(raised.value, LogUnreachable)
        with pytest.raises(TypeError):
            await relay.log._line.ask(("SET", "a", object()))
        assert [b"PONG"] == await relay.log._line.ask(("PING",))


async def test_a_full_memory_is_told_in_redis_own_words(tmp_path: Path) -> None:
    with running_redis(tmp_path) as server:
        if server is None:
            pytest.skip(NO_REDIS)
        async with open_redis(server.url) as (log, _):
            await log._line.ask(("CONFIG", "SET", "maxmemory", "1"))
            with pytest.raises(LogUnreachable, match=r"refuses: .*maxmemory"):
                await log.beat("anna")


async def test_nobody_there_is_out_of_reach() -> None:
    with trio.fail_after(20):
        async with open_relay("redis://127.0.0.1:1", settings=attrs.evolve(QUICK, reach_seconds=0)) as relay:
            with pytest.raises(LogUnreachable, match="redis://127"):
                await relay.state("s")
