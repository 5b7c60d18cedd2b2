"""The command in a process of its own, at a terminal or in a pipe: what the tests of whole processes share.

Each process takes half a second to start, so there are few.
"""

import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import trio
from variables import PROVIDER_VARIABLES

from gestura.simulator import Simulator

pty = pytest.importorskip("pty", reason="pseudo-terminals are a thing of Unix")

GESTURA = [sys.executable, "-m", "gestura"]
# A terminal's own: Ctrl-C there is a signal to whoever has it as its controlling terminal.
AT_ITS_TERMINAL = """
import fcntl, os, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""
CTRL_C = b"\x03"
PATIENCE = 30.0  # seconds until a test gives up; nothing waits that long when all is well


def environment(simulator: Simulator | None) -> dict[str, str]:
    """Without any key but the simulator's, and with a terminal that knows escape sequences."""
    told = PROVIDER_VARIABLES | {"NO_COLOR"}
    inherited = {name: value for name, value in os.environ.items() if name not in told}
    reached = {"OPENAI_BASE_URL": simulator.url, "OPENAI_API_KEY": "sk-test"} if simulator else {}
    return {**inherited, **reached, "TERM": "xterm"}


async def run(*arguments: str, simulator: Simulator | None = None, stdin: bytes = b"") -> subprocess.CompletedProcess:
    with trio.fail_after(PATIENCE):
        return await trio.run_process(
            [*GESTURA, *arguments],
            stdin=stdin,
            capture_stdout=True,
            capture_stderr=True,
            check=False,
            env=environment(simulator),
        )


@contextmanager
def started(*arguments: str, simulator: Simulator | None = None, terminal: bool = False) -> Iterator["Running"]:
    """A command that runs while the test does; killed at the end if it still does."""
    outer, inner = pty.openpty() if terminal else os.pipe()
    stdin = inner if terminal else subprocess.DEVNULL
    stderr = inner if terminal else subprocess.PIPE
    command = [sys.executable, "-c", AT_ITS_TERMINAL, *GESTURA[1:]] if terminal else GESTURA
    process = subprocess.Popen(
        [*command, *arguments], stdin=stdin, stdout=inner, stderr=stderr, env=environment(simulator)
    )
    os.close(inner)
    running = Running(process, outer)
    try:
        yield running
    finally:
        process.kill()
        process.communicate()
        running.hang_up()


class Running:
    """A running command, and what it has written so far."""

    def __init__(self, process: subprocess.Popen[bytes], output: int) -> None:
        self.process = process
        self.output: int | None = output
        self.written = b""
        self._found = 0  # where what was wanted last ends

    def read_until(self, wanted: bytes | None) -> bytes:
        """Read until `wanted` comes, behind what was wanted before (`None`: until the end); all that was written."""
        deadline = time.monotonic() + PATIENCE
        while wanted is None or (place := self.written.find(wanted, self._found)) < 0:
            ready, _, _ = select.select([self.output], [], [], max(0, deadline - time.monotonic()))
            assert ready, f"nothing more after {self.written!r}"
            try:
                piece = os.read(self.output, 4096)
            except OSError:  # how Linux says that the other end of a terminal was closed
                piece = b""
            if not piece:
                assert wanted is None, f"only {self.written!r}"
                break
            self.written += piece
        if wanted is not None:
            self._found = place + len(wanted)
        return self.written

    def type(self, keys: bytes) -> None:
        """Press keys at its terminal."""
        assert self.output is not None
        os.write(self.output, keys)

    def hang_up(self) -> None:
        if self.output is not None:
            os.close(self.output)
            self.output = None


in_thread = trio.to_thread.run_sync
