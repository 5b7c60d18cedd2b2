"""The command as a user meets it: a process of its own, at a terminal or in a pipe, with a simulated provider.

Each process takes half a second to start, so these are few.
"""

import json
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pyte
import pytest
import trio
from processes import PATIENCE, environment, in_thread, run, started

from gestura.simulator import HttpError, Outcome, Scenario, Sending, Simulator, Stall, Text, Thinking, open_simulator

SCENARIOS = [
    Scenario(model="answer", steps=(Thinking("Hm."), Text("One\x1b[2J "), Text("two."))),
    Scenario(model="markdown", steps=(Text("# Title\n\n- a **b**\n- c\n"),)),
    Scenario(model="stalls", steps=(Text("One two three."),), faults=(Stall(after_events=3),)),
    Scenario(
        model="flaky",
        steps=(Text("Third time lucky."),),
        faults=(HttpError(status=503, times=1),),
    ),
    Scenario(model="long", steps=(Text("word " * 1_000_000),), sending=Sending(characters_per_event=500)),
]


@pytest.fixture
async def simulator() -> Iterator[Simulator]:
    async with open_simulator(SCENARIOS) as simulator:
        yield simulator


async def test_a_pipe_gets_the_answer_and_nothing_else(simulator: Simulator) -> None:
    """Its text as the model wrote it, without thinking, usage and status; what is piped in is asked too."""
    result = await run("ask", "Count", "it", "--model", "answer", simulator=simulator, stdin=b"one two\n")

    assert (0, b"One\x1b[2J two.\n", b"") == (result.returncode, result.stdout, result.stderr)
    assert [{"role": "user", "content": "Count it\n\none two"}] == simulator.requests[0].body["messages"]


async def test_json_and_a_system_prompt(simulator: Simulator) -> None:
    """`--json` prints tagged chunks with the ending last; `--system` goes before the prompt."""
    result = await run("ask", "Hi", "--model", "answer", "--json", "--system", "Be brief.", simulator=simulator)

    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert ["thinking", "text", "done"] == list(dict.fromkeys(line["type"] for line in lines))
    assert ["system", "user"] == [message["role"] for message in simulator.requests[0].body["messages"]]


async def test_a_terminal_gets_dimmed_thinking_and_no_control_characters(simulator: Simulator) -> None:
    """Thinking is dim, the answer plain, and an escape sequence of the model's is shown instead of obeyed."""
    with started("ask", "Hi", "--model", "answer", simulator=simulator, terminal=True) as command:
        written = (await in_thread(command.read_until, None)).decode()

        assert "\x1b[2mHm.\x1b[0m\r\n\r\nOne␛[2J two.\r\n\x1b[2m-- done: stop, answer" in written
        assert 0 == await in_thread(command.process.wait)


@pytest.mark.parametrize(
    ("options", "variables", "shown"),
    [
        ([], {}, ["Title", "", " • a b", " • c", "-- done: stop, markdown"]),
        (["--plain"], {}, ["# Title", "", "- a **b**", "- c", "-- done: stop, markdown"]),
        ([], {"NO_COLOR": "1"}, ["# Title", "", "- a **b**", "- c", "-- done: stop, markdown"]),
    ],
)
async def test_a_terminal_gets_markdown_laid_out(
    options: list[str],
    variables: dict[str, str],
    shown: list[str],
    simulator: Simulator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Unless it is told not to, or has no styles."""
    monkeypatch.setattr("processes.environment", lambda simulator: environment(simulator) | variables)
    with started("ask", "Hi", "--model", "markdown", *options, simulator=simulator, terminal=True) as command:
        written = await in_thread(command.read_until, None)
    screen = pyte.Screen(80, 24)
    pyte.ByteStream(screen).feed(written)

    assert shown == [line.rstrip() for line in screen.display][: len(shown)]
    assert (shown[0] == "Title") is screen.buffer[2][5].bold


async def test_ctrl_c_ends_a_stream_that_says_nothing(simulator: Simulator) -> None:
    """The socket is closed, the line ended, nothing complained of; the exit code is 130."""
    with started("ask", "Hi", "--model", "stalls", simulator=simulator, terminal=True) as command:
        await in_thread(command.read_until, b"One two")
        command.process.send_signal(signal.SIGINT)
        written = await in_thread(command.read_until, None)

        assert (b"One two\r\n", 130) == (written, await in_thread(command.process.wait))
        with trio.fail_after(PATIENCE):
            assert Outcome.CLIENT_LEFT is await simulator.requests[0].ended()


async def test_ctrl_c_cancels_the_stream_in_json_too(simulator: Simulator) -> None:
    """The last line is the ending, with the answer so far; nobody needs to guess from the exit code."""
    with started("ask", "Hi", "--model", "stalls", "--json", simulator=simulator) as command:
        await in_thread(command.read_until, b" two")
        command.process.send_signal(signal.SIGINT)
        written = await in_thread(command.read_until, None)

        ending = json.loads(written.splitlines()[-1])
        kept = [{"type": "text", "text": "One two"}]
        assert ("cancelled", kept) == (ending["type"], ending["partial"]["parts"])
        assert 130 == await in_thread(command.process.wait)


async def test_ctrl_c_ends_a_command_whose_reader_has_stopped(simulator: Simulator) -> None:
    """Where nobody takes what is written, the ending can't be told; the command does not wait for that."""
    with started("ask", "Hi", "--model", "long", simulator=simulator) as command:
        await in_thread(command.read_until, b"word")
        command.process.send_signal(signal.SIGINT)

        assert 130 == await in_thread(partial(command.process.wait, PATIENCE))


async def test_a_retry_is_told_on_stderr(simulator: Simulator) -> None:
    """A pipe still gets the answer alone; whoever waits for it knows why it takes so long."""
    result = await run("ask", "Hi", "--model", "flaky", simulator=simulator)

    assert (0, b"Third time lucky.\n") == (result.returncode, result.stdout)
    assert result.stderr.startswith(b"gestura: attempt 1 of 3 failed, another in ")
    assert 1 == result.stderr.count(b"\n")


async def test_all_providers_are_shown_side_by_side_on_a_terminal() -> None:
    """Six boxes that change as the streams go on, at most ten times a second, then the table."""
    begun = time.monotonic()
    with started("demo", "--all", terminal=True) as command:
        written = (await in_thread(command.read_until, None)).decode()

        assert 0 == await in_thread(command.process.wait)
    refreshes = written.count("─ Anthropic ─")
    assert 10 < refreshes <= 10 * (time.monotonic() - begun) + 2
    table = written.partition("What came of it")[2]
    for name in ("OpenAI Chat", "OpenAI Responses", "Anthropic", "Gemini", "Grok", "Ollama"):
        assert f"─ {name} ─" in written
        assert name in table


async def test_a_reader_that_leaves_ends_the_stream_quietly(simulator: Simulator) -> None:
    """`gestura ask | head` closes the socket, and says nothing."""
    with started("ask", "Hi", "--model", "long", simulator=simulator) as command:
        await in_thread(command.read_until, b"word")
        command.hang_up()
        _, complaint = await in_thread(partial(command.process.communicate, timeout=PATIENCE))

        assert (0, b"") == (command.process.returncode, complaint)
        with trio.fail_after(PATIENCE):
            assert Outcome.CLIENT_LEFT is await simulator.requests[0].ended()


async def test_who_can_not_be_asked_is_told_on_stderr() -> None:
    """A provider without a key is a setting that is wrong: it is told what to set, and who needs no key."""
    result = await run("ask", "Hi")

    assert (2, b"") == (result.returncode, result.stdout)
    told = b" ".join(result.stderr.split())
    assert b"openai is not configured: set OPENAI_API_KEY; `gestura providers` lists whom you can ask" in told
    assert b"`--provider local` asks a model on this machine, without a key" in told
    assert b"Traceback" not in result.stderr


async def test_simulate_serves_until_ctrl_c(tmp_path: Path) -> None:
    """It prints where it is and what it can say, a scenario of the user's included; Ctrl-C is its proper end.

    A model that it does not have says hello, so that nobody has to name one.
    """
    scenario = tmp_path / "mine.toml"
    scenario.write_text('steps = [{ text = "Mine." }]')
    with started("simulate", str(scenario)) as command:
        written = (await in_thread(command.read_until, b"Try: ")).decode()
        reached = Simulator([], written.split()[2])
        result = await run("ask", "Hi", "--model", "mine", simulator=reached)
        greeting = await run("ask", "Hi", simulator=reached)
        command.process.send_signal(signal.SIGINT)

        assert b"Mine.\n" == result.stdout
        assert (0, True) == (greeting.returncode, greeting.stdout.startswith(b"Hello!"))
        assert "mine" in written.splitlines()[1]
        assert 0 == await in_thread(partial(command.process.wait, PATIENCE))
