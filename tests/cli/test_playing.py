"""`gestura replay` plays a recording as the stream was: retries, silence, deadlines and the user included."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import trio
from click.testing import CliRunner
from processes import GESTURA, PATIENCE, environment
from scripting import DONE, FINISH, delta, event, text
from trio.testing import MockClock

import gestura
from gestura import CancellationToken, ProviderSettings, RetryPolicy, StreamChunk, StreamingConfig, Timeouts
from gestura.chunk_json import from_json, to_json
from gestura.cli import main
from gestura.transport.scripted import Break, Hang, ScriptedExchange, ScriptedTransport, Wait

CONFIG = StreamingConfig(
    primary="first",
    fallback=("second",),
    providers={
        "first": ProviderSettings(kind="openai_chat", model="m", api_key="sk-first-secret", base_url="https://a.b"),
        "second": ProviderSettings(kind="ollama", model="n", base_url="http://c.d", allow_plain_http=True),
    },
    retry=RetryPolicy(max_attempts=2, jitter=0),
    timeouts=Timeouts(idle=60),
)
USAGE = event(choices=[], usage={"prompt_tokens": 7, "completion_tokens": 2}, model="m")
HELLO = ScriptedExchange(answering=[Wait(0.5)], body=[text("Hel"), Wait(2), text("lo"), FINISH, USAGE, DONE])
BUSY = ScriptedExchange(status=503, headers={"Retry-After": "7"}, body=[b"busy"])
LINES = [{"message": {"content": "Hi"}}, {"message": {"content": "!"}, "done": True, "done_reason": "stop"}]
OLLAMA = ScriptedExchange(body=[json.dumps(line).encode() + b"\n" for line in LINES])
CALL = {"index": 0, "id": "c", "function": {"name": "get_weather", "arguments": '{"city": "Oslo"}'}}

STREAMS: dict[str, list[ScriptedExchange]] = {
    "an answer": [HELLO],
    "a retry": [BUSY, HELLO],
    "a fallback": [BUSY, BUSY, OLLAMA],
    "silence": [ScriptedExchange(body=[text("Hel"), Hang()])],
    "a break": [ScriptedExchange(body=[text("Hel"), Wait(1), Break("gone")])],
    "tools": [ScriptedExchange(body=[delta(tool_calls=[CALL]), delta("tool_calls"), DONE])],
}


async def record(path: Path, exchanges: Sequence[ScriptedExchange]) -> list[StreamChunk]:
    async with (
        gestura.open_client(CONFIG, transport=ScriptedTransport(exchanges)) as client,
        client.stream("Hi", record=path) as stream,
    ):
        return [chunk async for chunk in stream]


def replay(*arguments: str) -> Any:
    return CliRunner().invoke(main, ["replay", *arguments])


def chunks_of(result: Any) -> list[StreamChunk]:
    return [from_json(json.loads(line)) for line in result.stdout.splitlines()]


@pytest.mark.parametrize("name", STREAMS)
def test_the_chunks_are_those_of_the_stream(name: str, tmp_path: Path) -> None:
    """All of them, with the same ending, and at once: hours of silence take no time."""
    path = tmp_path / "it"
    chunks = trio.run(record, path, STREAMS[name], clock=MockClock(autojump_threshold=0))
    result = replay("--json", str(path))

    assert [to_json(chunk) for chunk in chunks] == [to_json(chunk) for chunk in chunks_of(result)]
    assert (0 if isinstance(chunks[-1], gestura.Done) else 1) == result.exit_code


@pytest.mark.parametrize("act", ["cancel", "pause", "leave"])
def test_what_the_user_did_is_done_again(act: str, tmp_path: Path) -> None:
    """At the second at which it was done then: in the middle of the answer, whose rest is not shown."""
    path = tmp_path / "it"

    async def interrupted() -> None:
        token = CancellationToken()
        async with (
            gestura.open_client(CONFIG, transport=ScriptedTransport([HELLO])) as client,
            client.stream("Hi", token=token, record=path) as stream,
        ):
            await trio.sleep(1.5)
            if act != "leave":
                getattr(token, act)()
                async for _ in stream:
                    pass

    trio.run(interrupted, clock=MockClock(autojump_threshold=0))
    result = replay("--json", str(path))
    tags = [line["type"] for line in map(json.loads, result.stdout.splitlines())]

    assert ["text", *({"cancel": ["cancelled"], "pause": ["paused"], "leave": []}[act])] == tags
    assert 1 == result.exit_code


def test_a_recording_plays_at_a_speed(tmp_path: Path) -> None:
    """As many times as fast as it was: here 2.5 seconds at ten times that."""
    path = tmp_path / "it"
    trio.run(record, path, [HELLO], clock=MockClock(autojump_threshold=0))
    began = time.monotonic()
    replay("--speed", "10", str(path))

    assert 0.25 <= time.monotonic() - began < 2.5
    assert 2 == replay("--speed", "0", str(path)).exit_code


def test_a_recording_plays_through_another_configuration(tmp_path: Path) -> None:
    """With its deadlines and limits: would it have failed with these? Whom it asked stays as it was."""
    path, config = tmp_path / "it", tmp_path / "config.toml"
    trio.run(record, path, [HELLO], clock=MockClock(autojump_threshold=0))
    config.write_text("[timeouts]\nidle = 1\n[retry]\nmax_attempts = 1\n")
    *_, ending = chunks_of(replay("--json", "--config", str(config), str(path)))

    assert isinstance(ending, gestura.Error)
    assert ("timeout", "first") == (ending.kind.value, ending.provider)


def test_each_answer_of_a_turn_is_played(tmp_path: Path) -> None:
    """One after the other; together they are complete where each of them is."""
    path = tmp_path / "it"

    @gestura.tool
    async def get_weather(city: str) -> str:
        return f"clear over {city}"

    async def turn() -> None:
        transport = ScriptedTransport([STREAMS["tools"][0], HELLO])
        async with (
            gestura.open_client(CONFIG, transport=transport) as client,
            client.run("Hi", tools=[get_weather], record=path) as run,
        ):
            await run.collect()

    trio.run(turn, clock=MockClock(autojump_threshold=0))
    result = replay(str(path))

    assert (
        f"== {path}, answer 1 of 2\n"
        '-> get_weather {"city": "Oslo"}\n'
        "-- done: tool_calls\n"
        f"== {path}, answer 2 of 2\n"
        "Hello\n"
    ) == result.stdout[: result.stdout.index("-- done: stop")]
    assert 0 == result.exit_code


def test_a_reader_that_leaves_ends_it_quietly(tmp_path: Path) -> None:
    """`gestura replay … | head`, and the bodies of responses likewise."""
    path, body = tmp_path / "it", tmp_path / "body"
    trio.run(record, path, [HELLO], clock=MockClock(autojump_threshold=0))
    body.write_bytes(text("Hello ") * 20_000)
    for file in (path, body):
        with subprocess.Popen(
            [*GESTURA, "replay", "--json", file], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(None)
        ) as process:
            assert process.stdout is not None
            process.stdout.close()
            _, complaint = process.communicate(timeout=PATIENCE)

            assert (0, b"") == (process.returncode, complaint)


def test_no_key_is_needed_or_shown(tmp_path: Path) -> None:
    """The recording has none."""
    path = tmp_path / "it"
    trio.run(record, path, [HELLO], clock=MockClock(autojump_threshold=0))

    assert "sk-first-secret" not in path.read_text() + replay("--json", str(path)).output


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ([], "is a recording of nothing: no stream is in it"),
        ([{"at": 0, "event": "stream", "config": {"retry": {"max_attempts": "x"}}}], "configuration can't be read"),
        ([{"at": 0}], ":2: not a line of a recording: 'event'"),
    ],
)
def test_a_damaged_recording_is_told_and_the_next_file_played(
    lines: list[dict[str, Any]], problem: str, tmp_path: Path
) -> None:
    """With what is wrong; the exit code is 2."""
    damaged, path = tmp_path / "damaged", tmp_path / "it"
    damaged.write_text("\n".join(map(json.dumps, [{"recording": 1, "gestura": "0"}, *lines])))
    trio.run(record, path, [HELLO], clock=MockClock(autojump_threshold=0))
    result = replay(str(damaged), str(path))

    assert (2, True) == (result.exit_code, "Hello\n" in result.stdout)
    assert result.stderr.startswith(f"gestura: {damaged}")
    assert problem in result.stderr


def test_a_provider_of_the_users_own_is_not_played(tmp_path: Path) -> None:
    """Its wire format is in a program; it is told which formats there are."""
    path = tmp_path / "it"
    trio.run(record, path, [HELLO], clock=MockClock(autojump_threshold=0))
    path.write_text(path.read_text().replace('"kind": "openai_chat"', '"kind": "homemade"'))
    (ending,) = (chunk for chunk in chunks_of(replay("--json", str(path))) if isinstance(chunk, gestura.Error))

    assert "'homemade' is no wire format; there are" in ending.message
