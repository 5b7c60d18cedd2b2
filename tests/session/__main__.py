"""The recorded session of the README: real commands, at a real shell in a pseudo-terminal, as a picture of its screen.

    make session

A simulated provider answers, so it is the same each time, and can be made anew whenever the commands look different.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
from pathlib import Path

import attrs
import pyte
import trio
from processes import Running, in_thread
from rich.console import Console
from rich.style import Style
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from gestura.simulator import Simulator, built_in_scenarios, load_scenario, open_simulator

COLUMNS, ROWS = 84, 47
# Bash wants the terminal for its own.
AT_ITS_TERMINAL = """
import fcntl, os, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""
PROMPT = "$ "
MODEL = "gpt-4.1-mini"  # whose price is known
COMMANDS = [
    'gestura ask "How does a stream end?"',
    'gestura ask --model tools --record it.jsonl "Do I need an umbrella?"',
    "gestura replay --json it.jsonl | head -n 2",
    "gestura ask --model broken Hi",
]
COLOURS = [
    *[(36, 41, 51), (190, 40, 40), (40, 120, 60), (150, 100, 0)],
    *[(40, 80, 170), (130, 60, 150), (0, 115, 130), (110, 118, 129)],
]
THEME = TerminalTheme((250, 250, 248), COLOURS[0], COLOURS, [(125, 132, 142), *COLOURS[1:]])


async def main(picture: Path) -> None:
    with tempfile.TemporaryDirectory() as place:
        answer = attrs.evolve(load_scenario(Path(__file__).parent / "answer.toml"), model=MODEL)
        async with open_simulator([*built_in_scenarios(), answer]) as simulator:
            written = await in_thread(_written, simulator, Path(place))
    screen = pyte.Screen(COLUMNS, ROWS)
    pyte.ByteStream(screen).feed(written.replace(b"\x1b[2m", b"\x1b[90m"))  # it knows grey, and not dim
    await trio.Path(picture).write_text(_svg(screen), encoding="utf-8")


def _written(simulator: Simulator, place: Path) -> bytes:
    """What the terminal was sent while somebody typed the commands."""
    shell = shutil.which("bash") or sys.exit("the session needs bash")
    told = {
        "OPENAI_BASE_URL": simulator.url,
        "OPENAI_API_KEY": "any",
        "OPENAI_MODEL": MODEL,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "XDG_CONFIG_HOME": str(place),
        "PS1": PROMPT,
        "TERM": "xterm-256color",
        "BASH_SILENCE_DEPRECATION_WARNING": "1",
    }
    outer, inner = pty.openpty()
    fcntl.ioctl(outer, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    command = [sys.executable, "-c", AT_ITS_TERMINAL, shell, "--norc", "--noprofile", "--noediting"]
    process = subprocess.Popen(command, stdin=inner, stdout=inner, stderr=inner, env=told, cwd=place)
    os.close(inner)
    terminal = Running(process, outer)
    terminal.read_until(PROMPT.encode())
    for words in COMMANDS:
        terminal.type(words.encode() + b"\n")
        terminal.read_until(f"\n{PROMPT}".encode())
    process.kill()
    process.wait()
    return terminal.written


def _svg(screen: pyte.Screen) -> str:
    """The screen as it stands, without the empty lines at its end."""
    text = Text()
    for number in range(screen.cursor.y):  # but for the last prompt
        line = screen.buffer[number]
        length = len(screen.display[number].rstrip())
        for style, run in itertools.groupby((line[place] for place in range(length)), key=_style):
            text.append("".join(character.data for character in run), style)
        text.append("\n")
    text.rstrip()
    console = Console(record=True, width=COLUMNS, file=open(os.devnull, "w"), force_terminal=True)  # noqa: SIM115, PTH123
    console.print(text)
    svg = console.export_svg(title="gestura", theme=THEME)
    return re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)  # which would be fetched from elsewhere


def _style(character: pyte.screens.Char) -> Style:
    return Style(
        color=_colour(character.fg),
        bold=character.bold,
        italic=character.italics,
        underline=character.underscore,
    )


def _colour(name: str) -> str | None:
    if name == "default":
        return None
    return {"brown": "yellow", "brightbrown": "bright_yellow"}.get(name, name.replace("bright", "bright_"))


trio.run(main, Path(sys.argv[1] if len(sys.argv) > 1 else "docs/session.svg"))
