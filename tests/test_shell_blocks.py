"""What the pages show for a shell is run: each command as it stands, and what it prints is what the page says.

The commands of a page share a folder, and the variables that they export for the server of `gestura simulate`, which is
one that the tests have. Other variables are the reader's own, and the simulator stands behind them, too.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import attrs
import pytest
from click.testing import CliRunner
from pages import PAGES, Block, blocks, each_page

from gestura.cli import main
from gestura.environment import VARIABLES
from gestura.simulator import Scenario, Text, built_in_scenarios
from gestura.simulator.opening import simulator_in_thread
from gestura.usage import TokenUsage

PATIENCE = 60.0  # seconds; a command takes one or two
ADDRESS = "http://127.0.0.1:8000"
RECORDED = b'data: {"choices":[{"index":0,"delta":{"content":"Hello!"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
OTHERS = Scenario(model="any", steps=(Text("Hello!"),), usage=TokenUsage(input_tokens=5, output_tokens=2))

NOT_RUN = {
    r"make .*": "a target takes minutes; that it exists is held by test_readme.py",
    r"pip install .*": "the package is the one that is tested; that its extras exist is held by test_readme.py",
    r".*--provider local.*": "a model says something else each time; tests/wire/test_live_local_model.py asks it",
    r"gestura providers": "the page shows what somebody has configured; tests/cli/test_providers.py",
    r"gestura chat\b.*": "a conversation, with files of the reader's: tests/cli/test_chat_processes.py",
    r"gestura demo.*": "the tour takes a minute; tests/cli/test_commands.py",
    r"gestura (serve|worker).*": "serves until it is told to stop: tests/serving and tests/relay",
    r"curl .* http://127.0.0.1:8765/.*": "run by tests/serving/test_serve_docs.py, where there is a service",
    r"curl -sN … .*": "asks a provider",
    r"python docs/examples/.*": "run by test_examples.py",
}
"""Commands that are not run here, and why."""


@attrs.frozen
class Command:
    """A command, and what the page says that it prints; nothing where the page says nothing of it."""

    line: str
    printed: str

    @property
    def reason(self) -> str | None:
        """Why it is not run, if so."""
        if "| jq" in self.line and shutil.which("jq") is None:
            return "jq is not installed"
        return next((why for pattern, why in NOT_RUN.items() if re.fullmatch(pattern, self.line)), None)


def commands_of(block: Block) -> list[Command]:
    """Those of a `console` block have `$` in front of them; in one of `sh` each line is one."""
    if block.language == "sh":
        return [Command(line, "") for line in block.code.splitlines()]
    found = re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block.code, re.MULTILINE)
    return [Command(line, printed) for line, printed in found]


PAGES_WITH_COMMANDS = [page for page in PAGES if any(blocks(page, "sh")) or any(blocks(page, "console"))]


@each_page
def test_a_console_shows_commands(page: Path) -> None:
    """Every line of a console is a command or what one prints."""
    for block in blocks(page, "console"):
        assert block.code.startswith("$ "), block


@pytest.mark.parametrize("page", PAGES_WITH_COMMANDS, ids=lambda page: page.name)
def test_the_commands_of_a_page_do_what_it_shows(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One after the other, as somebody would type them who follows the page."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recordings").mkdir()
    for name in ("answer.sse", "recordings/sky.sse"):
        (tmp_path / name).write_bytes(RECORDED)
    with simulator_in_thread(scenarios_for(page)) as simulator:
        told: dict[str, str | None] = {
            **reader(tmp_path),
            **dict.fromkeys(("OPENAI_BASE_URL", "ANTHROPIC_BASE_URL"), simulator.url),
        }
        for block in blocks(page):
            if block.language not in ("sh", "console"):
                continue
            for command in commands_of(block):
                line = command.line.replace(ADDRESS, simulator.url)
                if line.startswith("export "):
                    told |= dict(re.findall(r"(\w+)=(\S+)", line)) if line != command.line else {}
                elif command.reason is None:
                    check(attrs.evolve(command, line=line), told, block)


def scenarios_for(page: Path) -> list[Scenario]:
    """What the simulator brings along, and an answer of each other model that is asked."""
    brought = built_in_scenarios()
    asked = {variables.default_model for variables in VARIABLES.values()}
    asked |= set(re.findall(r"--model (\S+)", page.read_text(encoding="utf-8")))
    return [*brought, *(attrs.evolve(OTHERS, model=model) for model in asked - {one.model for one in brought})]


def reader(folder: Path) -> dict[str, str | None]:
    """The environment of somebody who has two keys, and nothing configured; `None` for what is not set."""
    names = {name for of in VARIABLES.values() for name in (*of.api_key, of.base_url, of.model)}
    keys = {"OPENAI_API_KEY": "sk-test", "ANTHROPIC_API_KEY": "sk-test"}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {
        **dict.fromkeys(names),
        **keys,
        "XDG_CONFIG_HOME": str(folder / "configuration"),
        "PATH": path,
        "NO_COLOR": "1",
    }


def check(command: Command, told: dict[str, str | None], block: Block) -> None:
    """Run it, and compare."""
    if command.line == "gestura simulate --port 8000":
        code, printed = 0, begun("gestura simulate --port 0", told)
    elif command.line.startswith("gestura ") and not re.search(r"[|<>*]", command.line):
        ran = CliRunner().invoke(main, shlex.split(command.line)[1:], env=told)
        code, printed = ran.exit_code, ran.output
    else:
        code, printed = run_by_shell(command.line, told)
    if command.printed:
        assert in_a_pipe(command.printed) == printed.splitlines(), block
    else:
        assert 0 == code, f"{block}: {command.line}\n{printed}"


def run_by_shell(line: str, told: dict[str, str | None]) -> tuple[int, str]:
    ran = subprocess.run(
        ["bash", "-c", line],  # noqa: S607
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        env=environment(told),
        timeout=PATIENCE,
        text=True,
    )
    return ran.returncode, ran.stdout


def environment(told: dict[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in {**os.environ, **told}.items() if value is not None}


def begun(line: str, told: dict[str, str | None]) -> str:
    """What a server says when it begins, with the port of the page."""
    with subprocess.Popen(shlex.split(line), stdout=subprocess.PIPE, env=environment(told), text=True) as process:
        assert process.stdout is not None
        printed = "".join(process.stdout.readline() for _ in range(3))
        process.kill()
    return re.sub(r"(?<=127\.0\.0\.1:)\d+", "8000", printed)


def in_a_pipe(shown: str) -> list[str]:
    """What is shown in a pipe, too, where answers come without the lines about tools and tokens."""
    return [line for line in shown.splitlines() if not line.startswith(("-- ", "-> "))]


def test_no_exception_is_left_over() -> None:
    """Each reason not to run a command is that of one that a page shows."""
    lines = [
        command.line
        for page in PAGES
        for block in blocks(page)
        if block.language in ("sh", "console")
        for command in commands_of(block)
    ]

    assert [] == [pattern for pattern in NOT_RUN if not any(re.fullmatch(pattern, line) for line in lines)]
