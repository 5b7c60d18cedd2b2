"""`gestura serve` as processes of its own: signals, and several over one Redis."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest
import trio
from click.testing import CliRunner
from redis_server import NO_REDIS, running_redis
from services import LONG, SCENARIOS, EventReader, ask, asked, begin, events_of, text_of

from gestura.chunks import Done, Paused
from gestura.cli import main
from gestura.environment import VARIABLES
from gestura.simulator import Sending, Simulator, open_simulator

pytestmark = pytest.mark.timeout(90)

SLOW = attrs.evolve(next(each for each in SCENARIOS if each.model == "long"), sending=Sending(interval=0.06))
MODELS = (SLOW, *(each for each in SCENARIOS if each.model != "long"))
KEY = "alice-key-0123456789"


def environment(simulator: Simulator, **told: str) -> dict[str, str]:
    """One provider, the simulated one, and no key of the developer's."""
    known = {name for each in VARIABLES.values() for name in (*each.api_key, each.base_url, each.model)}
    inherited = {name: value for name, value in os.environ.items() if name not in known and "GESTURA" not in name}
    reached = {"OPENAI_BASE_URL": simulator.url, "OPENAI_API_KEY": "provider-secret", "OPENAI_MODEL": "hello"}
    return {**inherited, **reached, **told}


@attrs.frozen
class Running:
    """A service in a process of its own."""

    process: trio.Process
    port: int

    async def end(self, number: int = signal.SIGTERM) -> tuple[int, bytes]:
        """Tell it to end; how it did, and what it had to say to stderr."""
        self.process.send_signal(number)
        errors = b""
        assert self.process.stderr is not None
        async for piece in self.process.stderr:
            errors += piece
        return await self.process.wait(), errors


@asynccontextmanager
async def started(simulator: Simulator, *arguments: str, **told: str) -> AsyncIterator[Running]:
    process = await trio.lowlevel.open_process(
        [sys.executable, "-m", "gestura", "serve", "--port", "0", *arguments],
        stdout=-1,
        stderr=-1,
        env=environment(simulator, **told),
    )
    try:
        said = b""
        with trio.fail_after(30):
            while not (found := re.search(rb"Serving on http://127\.0\.0\.1:(\d+) ", said)):
                piece = await process.stdout.receive_some()
                assert piece, await process.stderr.receive_some()
                said += piece
        yield Running(process, int(found[1]))
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()


async def test_told_to_end_it_lets_streams_finish() -> None:
    """SIGTERM: no new streams, those that run come to their end, and the process ends with 0 and in silence.

    Before, it offers the provider that a variable tells of, and not Ollama, which is there by default.
    """
    async with open_simulator(MODELS) as simulator, started(simulator) as service:
        models = [each["id"] for each in (await ask(service.port, "GET", "/v1/models")).json()["data"]]
        stream_id = await begin(service.port, model="long")
        async with asked(service.port, "GET", f"/v1/streams/{stream_id}") as reply, trio.open_nursery() as nursery:
            reader = EventReader(reply)
            events = [await reader.next()]
            ended: list[tuple[int, bytes]] = []

            async def end() -> None:
                ended.append(await service.end())

            nursery.start_soon(end)
            with trio.fail_after(20):
                while (await ask(service.port, "GET", "/readyz")).status != 503:  # noqa: ASYNC110  # of another process
                    await trio.sleep(0.02)
            refused = await ask(service.port, "POST", "/v1/streams", {"prompt": "Hi"})
            events += await reader.all()

        assert ["openai/hello"] == models
        assert 503 == refused.status
        assert text_of(events) == LONG
        assert isinstance(events[-1].chunk, Done)
        assert [(0, b"")] == ended


@pytest.mark.parametrize("twice", [False, True])
async def test_streams_that_take_too_long_are_paused(twice: bool) -> None:
    """When the time is up, or it is told a second time: every follower is told an ending, and then it ends."""
    drain = "30" if twice else "0.3"
    async with open_simulator(MODELS) as simulator, started(simulator, "--drain", drain) as service:
        stream_id = await begin(service.port, model="long")
        async with asked(service.port, "GET", f"/v1/streams/{stream_id}") as reply:
            reader = EventReader(reply)
            events = [await reader.next()]
            if twice:
                service.process.send_signal(signal.SIGINT)
                await trio.sleep(0.3)
            service.process.send_signal(signal.SIGINT)
            with trio.fail_after(20):
                events += await reader.all()
                code = await service.process.wait()

        assert isinstance(events[-1].chunk, Paused)
        assert 0 == code


async def test_several_services_over_one_redis(tmp_path: Path) -> None:
    """A stream that was begun at one is followed at another, which runs no worker; with one dead, the rest goes on."""
    pytest.importorskip("coredis", reason="the extra gestura[relay] is not installed")
    with running_redis(tmp_path) as redis:
        if redis is None:
            pytest.skip(NO_REDIS)
        told = {"GESTURA_REDIS_URL": redis.url, "GESTURA_SERVE_KEYS": f"alice={KEY}"}
        bearer = {"Authorization": f"Bearer {KEY}"}
        async with (
            open_simulator(MODELS) as simulator,
            started(simulator, **told) as one,
            started(simulator, "--no-worker", **told) as other,
        ):
            stream_id = await begin(other.port, model="long", headers=bearer)
            async with asked(other.port, "GET", f"/v1/streams/{stream_id}", headers=bearer) as reply:
                reader = EventReader(reply)
                events = [await reader.next(), await reader.next()]
                other.process.kill()
            rest = await events_of(one.port, stream_id, events[-1].id, **bearer)
            whole = await events_of(one.port, stream_id, **bearer)

            assert whole == events + rest
            assert text_of(whole) == LONG
            assert isinstance(whole[-1].chunk, Done)
            assert 401 == (await ask(one.port, "GET", f"/v1/streams/{stream_id}")).status
            assert (0, b"") == await one.end()


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (("--host", "0.0.0.0"), "allow_anyone"),
        (("--no-worker",), "without Redis"),
        (("--provider", "nobody"), "there is no provider 'nobody'"),
        (("--redis", "localhost"), "redis://"),
        (("--host", "192.0.2.1", "--allow-anyone"), "can't listen on 192.0.2.1, port 8765"),
    ],
)
def test_what_cant_be_is_told(arguments: tuple[str, ...], wanted: str) -> None:
    """In a sentence, before anything is served."""
    result = CliRunner().invoke(main, ["serve", *arguments], env={"OPENAI_API_KEY": "any"})

    assert result.exit_code in (1, 2)
    assert wanted in result.output
    assert "Traceback" not in result.output


def test_mistakes_in_the_file_are_told_with_their_place(tmp_path: Path) -> None:
    """And keys are not shown, neither there nor by `gestura config show`."""
    file = tmp_path / "config.toml"
    for text, wanted in (
        ("[serve]\nprot = 1\n", "config.toml:2: serve.prot: there is no such setting; did you mean 'port'?"),
        ("[serve]\nport = 99999\n", "config.toml:2: serve.port: "),
        ("[serve.keys]\nalice = 'too-short'\n", "the key of 'alice' is to be at least 16"),
        ("[serve]\nhosts = ['a b']\n", "hosts: 'a b' is no name of a machine"),
        ("[serve]\norigins = ['example.com']\n", "origins: 'example.com' is no origin"),
    ):
        file.write_text(text)
        result = CliRunner().invoke(main, ["serve", "--config", str(file)])
        assert 2 == result.exit_code
        assert wanted in result.output
        assert "too-short" not in result.output

    file.write_text(f"[serve]\nport = 80\n[serve.keys]\nalice = '{KEY}'\n")
    told = {"GESTURA_REDIS_URL": "redis://:redis-secret@localhost"}
    shown = CliRunner().invoke(main, ["config", "show", "--config", str(file)], env=told).output

    assert "port = 80 " in shown
    assert KEY not in shown
    assert "redis-secret" not in shown
