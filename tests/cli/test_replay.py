"""`gestura replay` makes of recorded bytes what a client would have received."""

import json
from pathlib import Path
from typing import Any

import attrs
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from gestura import Error, ProviderSettings, StreamChunk, StreamingConfig, open_client
from gestura.chunk_json import from_json
from gestura.cli import main
from gestura.providers import BUILTIN_PROVIDERS
from gestura.simulator import Scenario, open_simulator
from gestura.testing import merged, split
from gestura.testing.replay import replay

CHAT = "openai_chat"
PROVIDER = BUILTIN_PROVIDERS[CHAT](ProviderSettings(kind=CHAT, model="m"))


def sse(*events: Any) -> bytes:
    return b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)


def choice(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    return {"model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def call(index: int, call_id: str, name: str, arguments: str) -> dict[str, Any]:
    return choice({"tool_calls": [{"index": index, "id": call_id, "function": {"name": name, "arguments": arguments}}]})


DONE = b"data: [DONE]\n\n"
ANSWER = sse(choice({"content": "<think>Hm.</think>"}), choice({"content": "Grüße\x1b[2J"}), choice({}, "stop")) + DONE
TOOLS = sse(call(0, "a", "add", '{"x": 1}'), call(1, "b", "sub", "{}"), choice({}, "tool_calls")) + DONE
BROKEN = sse(choice({"content": "Half an"}))
GARBAGE = sse(choice({"content": "Then"})) + b"data: {nonsense\n\n"
FAILED = sse(choice({"content": "Then"}), {"error": {"message": "We are down.", "code": "oops"}})
OVERFLOW = sse({"error": {"message": "Too long.", "code": "context_length_exceeded"}})

BODIES = {
    "answer": ANSWER,
    "tools": TOOLS,
    "broken": BROKEN,
    "garbage": GARBAGE,
    "failed": FAILED,
    "overflow": OVERFLOW,
    "more than an answer": ANSWER + ANSWER,
}


@pytest.fixture
def recorded(tmp_path: Path) -> Any:
    """Writes bodies to files `0`, `1`, …, and gives their paths."""

    def write(*bodies: bytes) -> list[str]:
        paths = [tmp_path / str(number) for number in range(len(bodies))]
        for path, body in zip(paths, bodies, strict=True):
            path.write_bytes(body)
        return list(map(str, paths))

    return write


def run(*arguments: str, **options: Any) -> Any:
    return CliRunner().invoke(main, ["replay", *arguments], **options)


def told(chunk: StreamChunk) -> StreamChunk:
    """Without what only a live stream knows: under which name, and where, it was asked."""
    if isinstance(chunk, Error):
        return Error("", kind=chunk.kind, code=chunk.code, usage=chunk.usage)
    return attrs.evolve(chunk, error_message="") if hasattr(chunk, "error_message") else chunk


async def test_a_replay_is_what_a_live_stream_was() -> None:
    """The same bytes give the same chunks and the same ending over HTTP and from a file."""
    async with open_simulator(Scenario(model=name, body=body) for name, body in BODIES.items()) as simulator:
        settings = ProviderSettings(kind=CHAT, model="", base_url=simulator.url)
        async with open_client(StreamingConfig(primary=CHAT, providers={CHAT: settings})) as client:
            for name, body in BODIES.items():
                async with client.stream("Hi", model=name) as chunks:
                    live = merged([chunk async for chunk in chunks])
                replayed = merged(replay([body], PROVIDER))

                assert list(map(told, live)) == list(map(told, replayed))


@given(st.sampled_from(list(BODIES.values())), st.lists(st.integers(0, 500), max_size=8))
def test_cuts_do_not_matter(body: bytes, where: list[int]) -> None:
    """However a body was read, it replays to the same chunks."""
    assert merged(replay([body], PROVIDER)) == merged(replay(split(body, where), PROVIDER))


def test_json_lines_end_with_the_ending(recorded: Any) -> None:
    """`--json` prints one tagged chunk a line; the wire format is guessed."""
    result = run("--json", *recorded(ANSWER))

    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert 0 == result.exit_code
    assert ["thinking", "text", "done"] == [line["type"] for line in lines]
    assert list(replay([ANSWER], PROVIDER)) == [from_json(line) for line in lines]
    assert not any("file" in line for line in lines)


def test_with_several_files_each_line_names_its_own(recorded: Any) -> None:
    """`"file"` is the path as it was given, and the files keep their order."""
    files = recorded(ANSWER, BROKEN, TOOLS)
    result = run("--json", "--wire", CHAT, *files)

    lines = [json.loads(line) for line in result.stdout.splitlines()]
    endings = [(line["file"], line["type"]) for line in lines if line["type"] in ("done", "error")]
    assert list(zip(files, ["done", "error", "done"], strict=True)) == endings
    assert files == list(dict.fromkeys(line["file"] for line in lines))


def test_a_failed_answer_exits_with_1_after_all_files(recorded: Any) -> None:
    """One recording that does not end with `done` fails the command, and hides none of the others."""
    result = run(*recorded(BROKEN, ANSWER))

    assert 1 == result.exit_code
    assert "Half an\n-- error (truncated): " in result.stdout
    assert "-- done: stop, m\n" in result.stdout


def test_without_json_a_person_can_read_it(recorded: Any) -> None:
    """Thinking is marked, tool calls have a line each, control characters are shown."""
    (file, other) = recorded(ANSWER, TOOLS)

    assert "[thinking] Hm.\n\nGrüße␛[2J\n-- done: stop, m\n" == run(file).stdout
    assert '-> add {"x": 1}\n-> sub {}\n-- done: tool_calls, m\n' == run(other).stdout


def test_a_dash_is_standard_input() -> None:
    """So that a recording can be piped in."""
    assert "[thinking] Hm.\n\nGrüße␛[2J\n-- done: stop, m\n" == run("-", input=ANSWER).stdout


def test_a_wrong_command_line_exits_with_2_and_says_why(recorded: Any) -> None:
    """An unknown wire format names the five that are known; nothing is replayed."""
    (file,) = recorded(ANSWER)
    unknown = run("--wire", "grok", file)

    assert (2, "") == (unknown.exit_code, unknown.stdout)
    assert "there are openai_chat, openai_responses, anthropic, gemini, ollama" in unknown.stderr
    assert 2 == run().exit_code


def test_what_is_no_recording_exits_with_2_after_all_files(recorded: Any, tmp_path: Path) -> None:
    """A missing file and one of another kind are named, and hide none of the others; 2 counts for more than 1."""
    letter, broken, answer = recorded(b"Dear Sir or Madam,", BROKEN, ANSWER)
    missing = str(tmp_path / "missing")
    result = run(letter, missing, broken, answer)

    assert 2 == result.exit_code
    assert f"gestura: {missing} can't be read: No such file or directory\n" in result.stderr
    assert f"gestura: {letter} is in none of the wire formats openai_chat, openai_responses, " in result.stderr
    assert 2 == result.stdout.count("-- ")
    assert 1 == run("--wire", CHAT, letter).exit_code


def test_a_replay_is_the_same_each_time(recorded: Any) -> None:
    """Also where calls come without ids, and a live stream makes up new ones."""
    call = {"function": {"name": "add", "arguments": {}}}
    lines = [{"message": {"role": "assistant", "tool_calls": [call, call]}}, {"done": True, "done_reason": "stop"}]
    (file,) = recorded("".join(json.dumps(line) + "\n" for line in lines).encode())
    first, second = run("--json", file), run("--json", file)

    assert 0 == first.exit_code
    assert first.stdout == second.stdout
    assert 2 == len({json.loads(line)["id"] for line in first.stdout.splitlines() if '"id"' in line})


def test_a_crashing_stage_has_an_ending_too(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """A bug ends one replay as it ends one live stream, and is logged."""

    def crash(*_: object) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr("gestura.providers.openai_chat.ChatDecoder.feed", crash)
    (ending,) = replay([ANSWER], PROVIDER)

    assert isinstance(ending, Error)
    assert ("internal", True) == (ending.kind.value, "ZeroDivisionError" in caplog.text)


def test_a_wire_format_that_is_none_is_told_with_the_nearest(recorded: Any) -> None:
    """As every other name that is not known."""
    (file,) = recorded(ANSWER)

    assert "'opnai_chat' is none; did you mean 'openai_chat'?" in run("--wire", "opnai_chat", file).stderr
