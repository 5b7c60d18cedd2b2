"""The programs of docs/examples do what they say, each as a process of its own, against the simulator."""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest
import trio

import gestura
from gestura.environment import VARIABLES
from gestura.simulator import (
    HttpError,
    Outcome,
    Scenario,
    Sending,
    Simulator,
    Stall,
    Text,
    ToolCall,
    built_in_scenarios,
    open_simulator,
)
from gestura.usage import TokenUsage

EXAMPLES = Path(__file__).parents[1] / "docs" / "examples"
PATIENCE = 60.0  # seconds; an example takes one or two

USAGE = TokenUsage(input_tokens=5, output_tokens=2)
HELLO = Scenario(model="hello", steps=(Text("Hello to you!"),), usage=USAGE)


def environment(simulator: Simulator) -> dict[str, str]:
    """That of somebody who has the keys of two providers; both are the simulator."""
    told = {name for of in VARIABLES.values() for name in (*of.api_key, of.base_url, of.model)}
    inherited = {name: value for name, value in os.environ.items() if name not in told | {"NO_COLOR", "FORCE_COLOR"}}
    keys = {"OPENAI_API_KEY": "any", "ANTHROPIC_API_KEY": "any", "OPENAI_MODEL": "hello", "ANTHROPIC_MODEL": "down"}
    urls = {"OPENAI_BASE_URL": simulator.url, "ANTHROPIC_BASE_URL": simulator.url}
    return {**inherited, **keys, **urls, "COLUMNS": "100", "PYTHONUNBUFFERED": "1"}


async def run(
    name: str, *arguments: str, simulator: Simulator, stdin: bytes = b"", cwd: Path | None = None
) -> subprocess.CompletedProcess[bytes]:
    with trio.fail_after(PATIENCE):
        return await trio.run_process(
            [sys.executable, str(EXAMPLES / f"{name}.py"), *arguments],
            stdin=stdin,
            capture_stdout=True,
            capture_stderr=True,
            check=False,
            env=environment(simulator),
            cwd=cwd,
        )


@asynccontextmanager
async def started(name: str, *arguments: str, simulator: Simulator) -> AsyncIterator[trio.Process]:
    """A program that runs while the test does."""
    process = await trio.lowlevel.open_process(
        [sys.executable, str(EXAMPLES / f"{name}.py"), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment(simulator),
    )
    try:
        with trio.fail_after(PATIENCE):
            yield process
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()
        for end in (process.stdin, process.stdout):
            if end is not None:
                await end.aclose()


async def read_until(stream: trio.abc.ReceiveStream, wanted: str) -> str:
    """What is written, up to what is wanted; the rest of that read is lost to nobody."""
    read = b""
    while wanted.encode() not in read:
        piece = await stream.receive_some()
        assert piece, f"it ended before {wanted!r}: {read!r}"
        read += piece
    return read.decode()


def test_each_is_short_and_tells_how_it_is_run() -> None:
    """Less than eighty lines, with the command in its first words; and all are on the page of examples."""
    page = (EXAMPLES / "index.md").read_text(encoding="utf-8")
    programs = sorted(EXAMPLES.glob("*.py"))

    assert 5 == len(programs)
    for program in programs:
        code = program.read_text(encoding="utf-8")
        assert len(code.splitlines()) < 80, program
        assert f"python {program.name}" in code, program
        assert f"]({program.name})" in page, program


async def test_the_chat_remembers_what_was_said() -> None:
    """Each question gets its answer, and is asked with what came before."""
    async with open_simulator([HELLO]) as simulator:
        chat = await run("terminal_chat", stdin=b"Hi!\nAnd you?\n", simulator=simulator)

    assert (0, b"") == (chat.returncode, chat.stderr)
    assert "you> Hello to you!\nyou> Hello to you!\nyou> " == chat.stdout.decode()
    assert ["Hi!", "Hello to you!", "And you?"] == [
        message["content"] for message in simulator.requests[1].body["messages"]
    ]


async def test_ctrl_c_ends_the_answer_of_the_chat_and_not_the_chat() -> None:
    """What was shown stays in the conversation, and the next question is answered."""
    endless = attrs.evolve(HELLO, faults=(Stall(after_events=2, times=1),))
    async with open_simulator([endless]) as simulator, started("terminal_chat", simulator=simulator) as chat:
        assert chat.stdin is not None
        assert chat.stdout is not None
        await chat.stdin.send_all(b"Hi!\n")
        await read_until(chat.stdout, "Hello")
        chat.send_signal(signal.SIGINT)
        await read_until(chat.stdout, "[stopped]\nyou> ")
        await chat.stdin.send_all(b"Go on.\n")
        await read_until(chat.stdout, "to you!")
        await chat.stdin.aclose()

        assert 0 == await chat.wait()
    said = [message["content"] for message in simulator.requests[1].body["messages"]]
    assert ["Hi!", "Go on."] == [said[0], said[-1]]
    assert said[1].startswith("Hello")


async def test_the_comparison_shows_each_answer_and_who_gave_it() -> None:
    """Where one provider is down, the next in the list answers in its place, and the title says so."""
    down = Scenario(model="down", faults=(HttpError(status=401, message="no such key"),))
    async with open_simulator([HELLO, down]) as simulator:
        compared = await run("compare", "Hi", "anthropic", "openai", simulator=simulator)

    assert (0, b"") == (compared.returncode, compared.stderr)
    shown = compared.stdout.decode()
    assert 2 == shown.count("Hello to you!")
    assert {"anthropic → openai", "openai", "2 tokens"} <= set(re.findall(r"─ ([^─]+) ─", shown))


@pytest.mark.parametrize(("word", "is_gone"), [(b"y\n", True), (b"n\n", False)], ids=["yes", "no"])
async def test_the_agent_deletes_what_it_is_allowed_to(word: bytes, is_gone: bool, tmp_path: Path) -> None:
    """It lists and reads by itself, and asks before it deletes; what it is not allowed is told to the model."""
    (tmp_path / "old.log").write_text("nothing of worth")
    calls = (
        ToolCall("call_1", "list_files", "{}"),
        ToolCall("call_2", "read_file", '{"name": "old.log"}'),
        ToolCall("call_3", "read_file", '{"name": "../secret"}'),
        ToolCall("call_4", "delete_file", '{"name": "old.log"}'),
    )
    finish = gestura.FinishReason.TOOL_CALLS
    turns = [Scenario(model="hello", steps=(call,), finish=finish, usage=USAGE) for call in calls]
    turns.append(Scenario(model="hello", steps=(Text("That is all."),), usage=USAGE))
    async with open_simulator([attrs.evolve(turns[0], then=tuple(turns[1:]))]) as simulator:
        worked = await run("agent", "Tidy up.", stdin=word, simulator=simulator, cwd=tmp_path)

    assert (0, b"") == (worked.returncode, worked.stderr)
    shown = worked.stdout.decode()
    assert '[list_files: {"old.log":16}]' in shown
    assert "[read_file: nothing of worth]" in shown
    assert "[read_file: failed: ValueError: ../secret is not in the folder]" in shown
    assert 'delete_file {"name": "old.log"}: allow it? [y/N]' in shown
    assert ("old.log is gone" in shown, "the user wants to keep it" in shown) == (is_gone, not is_gone)
    assert is_gone is not (tmp_path / "old.log").exists()
    assert shown.endswith("That is all.\n")


async def test_invoices_become_lines_of_json(tmp_path: Path) -> None:
    """Each that can be read is checked; what is none, and what can't be read, is told, and costs the others nothing."""
    said = '{"sender": "Fjord AS", "total": 1250.5, "currency": "NOK", "due": "2026-12-24"}'
    wrong = '{"sender": "Fjord AS", "total": -1, "currency": "NOK", "due": null}'
    right = Scenario(model="hello", steps=(Text(said),), usage=USAGE)
    scenario = Scenario(model="hello", steps=(Text(wrong),), usage=USAGE, then=(right,))
    names = [f"{number}.txt" for number in range(6)]
    for name in names:
        (tmp_path / name).write_text(f"Invoice {name}")
    async with open_simulator([scenario]) as simulator:
        extracted = await run("extract", *names, "missing.txt", simulator=simulator, cwd=tmp_path)

    lines = [json.loads(line) for line in extracted.stdout.splitlines()]
    complaints = extracted.stderr.decode().splitlines()
    assert 1 == extracted.returncode
    assert 5 == len(lines)
    assert {"sender": "Fjord AS", "total": 1250.5, "currency": "NOK", "due": "2026-12-24"} == {
        key: value for key, value in lines[0].items() if key != "file"
    }
    assert 2 == len(complaints)
    assert {"missing.txt", *names} == {line["file"] for line in lines} | {line.split(":")[0] for line in complaints}
    assert any("total" in complaint for complaint in complaints), complaints


@asynccontextmanager
async def asked(port: int, path: str) -> AsyncIterator[trio.SocketStream]:
    """A connection to the web service, on which a request was sent."""
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        await stream.send_all(f"GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n".encode())
        yield stream


async def test_the_web_service_relays_chunks_and_ends_streams_that_nobody_reads() -> None:
    """Its events are the chunks; a reader who leaves in the middle takes the provider's request along."""
    slow = attrs.evolve(
        HELLO,
        steps=(Text(" ".join(map(str, range(2000)))),),
        sending=Sending(interval=0.02),
    )
    async with (
        open_simulator([attrs.evolve(HELLO, then=(slow,))]) as simulator,
        started("web_service", "0", simulator=simulator) as service,
    ):
        assert service.stdout is not None
        port = int(re.findall(r"127.0.0.1:(\d+)", await read_until(service.stdout, "(CTRL + C to quit)"))[0])

        async with asked(port, "/ask?q=Hi") as reader:
            page = await read_until(reader, "\r\n0\r\n\r\n")
        chunks = [gestura.from_json(json.loads(data)) for data in re.findall(r"^data: (.*)$", page, re.MULTILINE)]
        text = "".join(chunk.text for chunk in chunks if isinstance(chunk, gestura.Text))
        assert page.startswith("HTTP/1.1 200")
        assert "Hello to you!" == text
        assert isinstance(chunks[-1], gestura.Done)

        async with asked(port, "/ask?q=More") as reader:
            await read_until(reader, "data: ")
        assert Outcome.CLIENT_LEFT is await simulator.requests[1].ended()

        async with asked(port, "/") as reader:
            assert (await read_until(reader, "\r\n")).startswith("HTTP/1.1 404")
    assert ["Hi", "More"] == [
        message["content"]
        for message in itertools.chain.from_iterable(request.body["messages"] for request in simulator.requests)
    ]


@pytest.mark.parametrize("name", ["agent", "compare"])
async def test_a_program_without_a_question_says_how_it_is_run(name: str) -> None:
    """In place of a traceback."""
    async with open_simulator([HELLO]) as simulator:
        told = await run(name, simulator=simulator)

    assert (1, b"") == (told.returncode, told.stdout)
    assert f"python {name}.py" in told.stderr.decode()
    assert b"Traceback" not in told.stderr


async def test_ctrl_c_at_the_prompt_ends_the_chat() -> None:
    """Without a traceback; an empty line before it asked nothing."""
    async with open_simulator([HELLO]) as simulator, started("terminal_chat", simulator=simulator) as chat:
        assert chat.stdin is not None
        assert chat.stdout is not None
        await chat.stdin.send_all(b"\n")
        await read_until(chat.stdout, "you> you> ")
        chat.send_signal(signal.SIGINT)
        written = b"".join([piece async for piece in chat.stdout])

        assert (0, b"\n") == (await chat.wait(), written)
    assert [] == simulator.requests


async def test_each_can_be_tried_with_the_model_of_its_row(tmp_path: Path) -> None:
    """The agent's calls a tool that it has, and the invoice's fits an invoice."""
    (tmp_path / "invoice.txt").write_text("Fjord AS, 1250.50 NOK")
    page = (EXAMPLES / "index.md").read_text(encoding="utf-8")
    models = dict(re.findall(r"^\| \[(\w+)\.py\].* `(\w+)` \|$", page, re.MULTILINE))
    brought = {scenario.model: scenario for scenario in built_in_scenarios()}

    assert 5 == len(models)
    async with open_simulator([attrs.evolve(brought[models["agent"]], model="hello")]) as simulator:
        worked = await run("agent", "Tidy up.", simulator=simulator, cwd=tmp_path)
    async with open_simulator([attrs.evolve(brought[models["extract"]], model="hello")]) as simulator:
        extracted = await run("extract", "invoice.txt", simulator=simulator, cwd=tmp_path)

    assert (0, b"") == (worked.returncode, worked.stderr)
    assert '[list_files: {"invoice.txt":21}]' in worked.stdout.decode()
    assert (0, "simulated") == (extracted.returncode, json.loads(extracted.stdout)["sender"])
