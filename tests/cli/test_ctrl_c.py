"""Ctrl-C at a terminal, at any moment: the command ends, says nothing unseemly, and leaves all in order.

`HYPOTHESIS_PROFILE=thorough` tries forty moments; otherwise a few, each where another piece of code is at work.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest
import trio
from hypothesis import settings
from processes import PATIENCE, Running, environment, in_thread

from gestura.simulator import HttpError, Outcome, Scenario, Sending, Simulator, Stall, Text, open_simulator

pty = pytest.importorskip("pty", reason="pseudo-terminals are a thing of Unix")
termios = pytest.importorskip("termios")

COMMAND = [sys.executable, "-c", "from _gestura_command import main; main()"]
"""What the `gestura` script runs."""

ALL = settings().max_examples >= 1000
MOMENTS = [0.05 * step for step in range(40)] if ALL else [0.3, 0.7]
"""Seconds after the start."""

SCENARIOS = [
    Scenario(model="silent", steps=(Text("One two"),), faults=(Stall(after_events=0),)),
    Scenario(model="slow", steps=(Text("word " * 1000),), sending=Sending(interval=0.01)),
    Scenario(model="busy", steps=(Text("One"),), faults=(HttpError(status=503, times=9),)),
    Scenario(model="long", steps=(Text("word " * 1_000_000),), sending=Sending(characters_per_event=500)),
]


@pytest.fixture
async def simulator() -> Iterator[Simulator]:
    async with open_simulator(SCENARIOS) as simulator:
        yield simulator


class AtTerminal(Running):
    """A command at a terminal of its own."""

    def __init__(self, *arguments: str, simulator: Simulator) -> None:
        outer, self.terminal = pty.openpty()
        self.modes = termios.tcgetattr(self.terminal)
        ends = {"stdin": self.terminal, "stdout": self.terminal, "stderr": self.terminal}
        inherited = signal.signal(signal.SIGINT, signal.SIG_DFL)  # where tests run in the background, it is ignored
        process = subprocess.Popen([*COMMAND, *arguments], env=environment(simulator), **ends)
        signal.signal(signal.SIGINT, inherited)
        super().__init__(process, outer)

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    async def end(self) -> tuple[int, str]:
        """The exit code, as shells count, and all that was written; the terminal, which reads on, is as it was."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(in_thread, self.read_until, None)
            code = await in_thread(partial(self.process.wait, PATIENCE))
            assert self.modes == termios.tcgetattr(self.terminal)
            os.close(self.terminal)  # the last one who holds it, so that the reader comes to its end
            self.terminal = -1
        return (128 - code if code < 0 else code), self.written.decode()


@contextmanager
def at_terminal(*arguments: str, simulator: Simulator) -> Iterator[AtTerminal]:
    command = AtTerminal(*arguments, simulator=simulator)
    try:
        yield command
    finally:
        command.process.kill()
        command.process.wait()
        command.hang_up()
        if command.terminal >= 0:
            os.close(command.terminal)


@pytest.mark.parametrize("seconds", MOMENTS)
async def test_ctrl_c_at_any_moment_of_the_start_ends_the_command(simulator: Simulator, seconds: float) -> None:
    """While it is loaded, while it connects, while it is answered: 130, and no traceback of ours."""
    with at_terminal("ask", "Hi", "--model", "slow", simulator=simulator) as command:
        await trio.sleep(seconds)
        command.interrupt()
        code, written = await command.end()

    if "Traceback" in written:  # Python itself was not loaded yet, and says so in its own way
        assert f"{os.sep}gestura{os.sep}cli{os.sep}" not in written
        assert "word" not in written
    else:
        assert 130 == code
    for request in simulator.requests:
        with trio.fail_after(PATIENCE):
            assert Outcome.CLIENT_LEFT is await request.ended()


@pytest.mark.parametrize(
    ("model", "shown", "times"),
    [
        pytest.param("silent", None, 1, id="before the first word"),
        pytest.param("slow", b"word word", 1, id="between words"),
        pytest.param("slow", b"word word", 2, id="twice"),
        pytest.param("busy", b"another in", 1, id="before a retry"),
        pytest.param("long", b"word word", 1, id="in a flood"),
    ],
)
async def test_ctrl_c_ends_a_stream_in_every_phase(
    simulator: Simulator, model: str, shown: bytes | None, times: int
) -> None:
    """Once or twice: the line is ended, the connection closed, and the code is 130."""
    with at_terminal("ask", "Hi", "--model", model, simulator=simulator) as command:
        if shown is None:
            with trio.fail_after(PATIENCE):
                while not simulator.requests:  # noqa: ASYNC110  # it is another process that makes it
                    await trio.sleep(0.01)
        else:
            await in_thread(command.read_until, shown)
        for _ in range(times):
            command.interrupt()
        code, written = await command.end()

    assert 130 == code
    assert "Traceback" not in written
    with trio.fail_after(PATIENCE):
        *refused, last = [await request.ended() for request in simulator.requests]
    assert last is (Outcome.SENT if model == "busy" else Outcome.CLIENT_LEFT)
    assert not refused


async def test_a_second_ctrl_c_ends_what_the_first_could_not(simulator: Simulator) -> None:
    """Where the terminal has stopped, not even the end of the line can be written; pressed again, it ends."""
    with at_terminal("ask", "Hi", "--model", "long", simulator=simulator) as command:
        await in_thread(command.read_until, b"word word")
        with trio.fail_after(PATIENCE):
            while command.process.poll() is None:
                command.interrupt()
                await trio.sleep(0.3)

        assert 130 == (await command.end())[0]


async def test_a_termination_ends_it_as_every_program(simulator: Simulator) -> None:
    """At once, and the system closes its connections."""
    with at_terminal("ask", "Hi", "--model", "slow", simulator=simulator) as command:
        await in_thread(command.read_until, b"word word")
        command.process.terminate()

        assert 143 == (await command.end())[0]
    with trio.fail_after(PATIENCE):
        assert Outcome.CLIENT_LEFT is await simulator.requests[0].ended()
