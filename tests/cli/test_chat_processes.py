"""`gestura chat` as a user meets it: a process of its own, at a terminal or in a pipe."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
from processes import CTRL_C, PATIENCE, in_thread, run, started

from gestura.simulator import Scenario, Simulator, Stall, Text, ToolCall, open_simulator

ANSWER = Scenario(model="answer", steps=(Text("It is so."),))
STALLS = Scenario(
    model="stalls",
    steps=(Text("One two three."),),
    faults=(Stall(after_events=3),),
    then=(Scenario(model="stalls", steps=(Text(" three."),)),),
)
CALLS = Scenario(model="calls", steps=(Text("Hm."), ToolCall("call_1", "wait", '{"seconds": 600}')))

READS = b"\x1b[?2004h"  # the prompt asks the terminal to mark what is pasted: from now on it reads

TOOLS = """
import gestura, trio

@gestura.tool
async def wait(seconds: float) -> str:
    print("waiting begins")
    try:
        await trio.sleep(seconds)
    finally:
        print("waiting ends")
    return "done"
"""


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with open_simulator([ANSWER, STALLS, CALLS]) as simulator:
        yield simulator


async def test_a_pipe_gets_answers_and_no_prompts(simulator: Simulator) -> None:
    """Each line is a question of one conversation; nothing but the answers is written."""
    result = await run("chat", "--model", "answer", simulator=simulator, stdin=b"Is it?\n\nReally?")

    assert (0, b"It is so.\nIt is so.\n", b"") == (result.returncode, result.stdout, result.stderr)
    roles = [message["role"] for message in simulator.requests[1].body["messages"]]
    assert ["user", "assistant", "user"] == roles


async def test_programs_get_chunks_and_a_recording(simulator: Simulator, tmp_path: Path) -> None:
    """Of all answers, one chunk a line; what passed over the wire is in one file, and can be played."""
    path = str(tmp_path / "it")
    questions = b"Is it?\nReally?"
    result = await run("chat", "--model", "answer", "--json", "--record", path, simulator=simulator, stdin=questions)
    played = await run("replay", path)
    tags = [json.loads(line)["type"] for line in result.stdout.splitlines()]

    assert (0, 2, b"") == (result.returncode, tags.count("done"), result.stderr)
    assert (0, 2) == (played.returncode, played.stdout.count(b"It is so.\n-- done: stop"))


async def test_an_answer_is_paused_and_gone_on_with(simulator: Simulator) -> None:
    """While nothing comes it is told behind the last word; Ctrl-C pauses, Enter goes on, `/exit` leaves with 0."""
    with started("chat", "--model", "stalls", simulator=simulator, terminal=True) as command:
        await in_thread(command.read_until, READS)
        command.type(b"Count.\r")
        await in_thread(command.read_until, b"One two\x1b7\x1b[K\x1b[2m [waiting for openai: 1 s]\x1b[0m\x1b8")
        command.type(CTRL_C)
        await in_thread(command.read_until, b"Enter goes on from there")
        await in_thread(command.read_until, READS)
        command.type(b"\r")
        await in_thread(command.read_until, b"three.\r\n")
        command.type(b"/exit\r")

        written = await in_thread(command.read_until, None)
        assert b"-- paused: 7 characters of text kept" in written
        assert 0 == await in_thread(partial(command.process.wait, PATIENCE))
    assert "One two" == simulator.requests[1].body["messages"][-2]["content"]


async def test_ctrl_c_cancels_a_tool_and_twice_leaves(simulator: Simulator, tmp_path: Path) -> None:
    """The tool is asked about, runs, and is cancelled; the second Ctrl-C is pressed at the prompt."""
    (tmp_path / "my_tools.py").write_text(TOOLS)
    tools = str(tmp_path / "my_tools.py")
    with started("chat", "--model", "calls", "--tools", tools, simulator=simulator, terminal=True) as command:
        await in_thread(command.read_until, READS)
        command.type(b"Wait.\r")
        await in_thread(command.read_until, READS)
        command.type(b"y\r")
        await in_thread(command.read_until, b"waiting begins")
        command.type(CTRL_C)
        await in_thread(command.read_until, b"Enter goes on from there")
        await in_thread(command.read_until, READS)
        command.type(CTRL_C * 2)  # on a busy machine the first of them may come too late to be the second

        written = await in_thread(command.read_until, None)
        assert b"waiting ends" in written
        assert 130 == await in_thread(partial(command.process.wait, PATIENCE))


async def test_ctrl_d_leaves(simulator: Simulator) -> None:
    """At an empty prompt; the exit code is 0."""
    with started("chat", "--model", "answer", simulator=simulator, terminal=True) as command:
        await in_thread(command.read_until, READS)
        command.type(b"\x04")

        assert 0 == await in_thread(partial(command.process.wait, PATIENCE))
