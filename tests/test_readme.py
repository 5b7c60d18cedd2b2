"""What the README and the pages of the documentation show works: Python runs, commands exist, links lead somewhere.

A block of Python that calls `trio.run` runs as a file of its own, as a reader would paste it. The other blocks of a
page are pieces of one program, in which the usual modules are imported, `client` is an open client, and `access_token`
comes from somewhere. Whichever provider they ask, a simulator answers: "Hello!", or what a page has in a comment of
the form `<!-- the model says: … -->`.
"""

from __future__ import annotations

import ast
import inspect
import os
import re
import shlex
import sys
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

import gestura
from gestura.cli import main
from gestura.errors import ConfigError
from gestura.local import find_weights
from gestura.simulator import Scenario, Simulator, Text, open_simulator
from gestura.transport import HttpRequest, HttpResponse, Transport
from gestura.transport._aiohttp import open_aiohttp_transport
from gestura.usage import TokenUsage

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
INDEX = ROOT / "docs" / "index.md"
PAGES = [README, ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
ANSWER = Scenario(model="any", steps=(Text("Hello!"),), usage=TokenUsage(input_tokens=5, output_tokens=2))
PATIENCE = 60.0  # seconds; each example takes one

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def blocks(page: Path, language: str) -> Iterator[tuple[int, str]]:
    """The fenced blocks of a language, each with the number of its first line."""
    text = page.read_text(encoding="utf-8")
    for block in re.finditer(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield text.count("\n", 0, block.start(1)) + 1, block[1]


def is_program(code: str) -> bool:
    return "trio.run(" in code


PROGRAMS = [
    pytest.param(code, id=f"{page.relative_to(ROOT)}:{line}")
    for page in PAGES
    for line, code in blocks(page, "python")
    if is_program(code)
]


@pytest.mark.parametrize("code", PROGRAMS)
async def test_a_program_runs_when_pasted_into_a_file(code: str, tmp_path: Path) -> None:
    """It answers, complains of nothing, and exits with 0."""
    if is_local := "gestura.local" in code:
        skip_without_local_model()
    file = tmp_path / "pasted.py"
    file.write_text(code, encoding="utf-8")
    async with open_simulator() as simulator:
        told = {"OPENAI_API_KEY": "any", "OPENAI_BASE_URL": simulator.url, "OPENAI_MODEL": "hello"}
        with trio.fail_after(PATIENCE):
            run = await trio.run_process(
                [sys.executable, str(file)],
                capture_stdout=True,
                capture_stderr=True,
                check=False,
                env={**os.environ, **told},
            )

    assert (0, b"") == (run.returncode, run.stderr)
    assert run.stdout.strip()
    assert is_local or b"Hello!" in run.stdout


def skip_without_local_model() -> None:
    pytest.importorskip("xllamacpp", reason="the local model's server is not installed", exc_type=ImportError)
    try:
        find_weights()
    except ConfigError as error:
        pytest.skip(str(error))


@each_page
async def test_the_pieces_of_a_page_run(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They run, in their order and in one namespace."""
    pieces = [(line, code) for line, code in blocks(page, "python") if not is_program(code)]
    namespace: dict[str, Any] = {"gestura": gestura, "os": os, "sys": sys, "trio": trio, "access_token": "any"}
    for _, code in pieces:
        for variable in re.findall(r'environ\["(\w+)"\]', code):
            monkeypatch.setenv(variable, "any")
    # Any string may be the name of a model.
    strings = {string for _, code in pieces for string in re.findall(r'"([^"\n]+)"', code)}
    scenarios = [attrs.evolve(answer_for(page), model=string) for string in (ANSWER.model, *strings)]
    with trio.fail_after(PATIENCE):
        async with open_simulator(scenarios) as simulator, open_aiohttp_transport() as transport:
            open_client = partial(gestura.open_client, transport=Diverted(transport, simulator))
            monkeypatch.setattr(gestura, "open_client", open_client)
            async with default_client() as client:
                namespace["client"] = client
                for line, code in pieces:
                    await run_piece(page, line, code, namespace)


def answer_for(page: Path) -> Scenario:
    said = re.search(r"^<!-- the model says: (.*) -->$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return attrs.evolve(ANSWER, steps=(Text(said[1]),)) if said else ANSWER


def default_client() -> AbstractAsyncContextManager[gestura.Client]:
    settings = gestura.ProviderSettings(kind="openai_chat", model=ANSWER.model, api_key="any")
    return gestura.open_client(gestura.StreamingConfig(primary="any", providers={"any": settings}))


async def run_piece(page: Path, line: int, code: str, namespace: dict[str, Any]) -> None:
    """Run a piece that may await; a traceback shows the page and the line."""
    program = compile("\n" * (line - 1) + code, page, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    result = eval(program, namespace)  # noqa: S307  # our own documentation
    if inspect.isawaitable(result):
        await result


@attrs.frozen
class Diverted:
    """A transport that asks the simulator, whatever server it is told to ask."""

    _transport: Transport
    _simulator: Simulator

    def open(self, request: HttpRequest, **options: Any) -> AbstractAsyncContextManager[HttpResponse]:
        path = re.fullmatch(r".*(/(?:v1|v1beta|api)/.*)", request.url)  # greedy: from the last of them
        assert path is not None, request.url
        return self._transport.open(attrs.evolve(request, url=self._simulator.url + path[1]), **options)


def commands(page: Path) -> Iterator[list[str]]:
    """The words of every command that a page shows, without variables set in front of it."""
    text = page.read_text(encoding="utf-8")
    lines = re.findall(r"^ *\$ (.*)$", text, re.MULTILINE)
    lines += [line for _, block in blocks(page, "sh") for line in block.splitlines()]
    for line in lines:
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        words: list[str] = []
        for word in [*lexer, "|"]:
            if word in ("|", "&&", ";"):
                yield words
                words = []
            elif words or not re.match(r"\w+=", word):
                words.append(word)


@each_page
def test_the_commands_exist(page: Path) -> None:
    """So do their options, the targets of `make`, and what `pip` is told to install of ours."""
    for command in commands(page):
        match command:
            case ["gestura", "--version" | "--help"]:
                pass
            case ["gestura", name, *words]:
                assert name in main.commands, command
                options = {option for parameter in main.commands[name].params for option in parameter.opts}
                assert {word for word in words if word.startswith("--")} <= options, command
            case ["make", *words]:
                targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
                assert {word for word in words if "=" not in word} <= set(targets), command
            case ["pip", "install", *words]:
                extras = {extra for word in words for extra in re.findall(r"gestura\[(.+)\]", word)}
                assert extras <= set(metadata.metadata("gestura").get_all("Provides-Extra") or ()), command


def test_the_readme_shows_the_commands() -> None:
    """The two for a newcomer, and every one of `gestura`'s but `demo`, which is the first of the two."""
    shown = {tuple(command[:2]) for command in commands(README)}

    assert {("make", "demo"), ("make", "test"), ("pip", "install")} <= shown
    assert all(f"gestura {name}" in README.read_text(encoding="utf-8") for name in main.commands)


def links(page: Path) -> list[str]:
    """Where the links of a page lead to in this repository."""
    prose = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"\]\((?!https?:)([^)#]+)", prose)


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    """Every link that stays in this repository names a file of it."""
    assert [] == [link for link in links(page) if not (page.parent / link).exists()]


def test_the_index_has_every_page() -> None:
    """A page of the documentation can be found from its index."""
    linked = {(INDEX.parent / link).resolve() for link in links(INDEX)}

    assert set() == {page for page in PAGES if page != INDEX} - linked
