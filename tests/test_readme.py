"""What the README and the pages of the documentation show works: Python runs, commands exist, links lead somewhere.

A block of Python that calls `trio.run` or `asyncio.run` runs as a file of its own, as a reader would paste it. One that
begins with the name of a file is that file, which other blocks of the page may import. The other blocks of a page are
pieces of one program, in which the usual modules are imported, `client` is an open client, and `access_token` comes
from somewhere. Whichever provider they ask, a simulator answers: "Hello!", or what a page has in a comment of the form
`<!-- the model says: … -->`; after `<!-- the first answer does not end -->` it falls silent amid the first
one. What is shown for a shell is run by `test_shell_blocks.py`.
"""

from __future__ import annotations

import ast
import inspect
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import attrs
import click
import pytest
import trio
from pages import INDEX, PAGES, README, ROOT, Block, blocks, each_page

import gestura
from gestura.cli import main
from gestura.errors import ConfigError
from gestura.local import find_weights
from gestura.simulator import Scenario, Simulator, Stall, Text, open_simulator, parse_scenario
from gestura.transport import HttpRequest, HttpResponse, Transport
from gestura.transport._aiohttp import open_aiohttp_transport
from gestura.usage import TokenUsage

ANSWER = Scenario(model="any", steps=(Text("Hello!"),), usage=TokenUsage(input_tokens=5, output_tokens=2))
PATIENCE = 60.0  # seconds; each example takes one

PROGRAMS = [
    pytest.param(block, id=str(block)) for page in PAGES for block in blocks(page, "python") if block.is_program
]
CHECKED = {
    "python": "run here, or as tests by tests/testing/test_docs.py",
    "py": "run by tests/serving/test_serve_docs.py",
    "console": "run by test_shell_blocks.py",
    "sh": "run by test_shell_blocks.py",
    "toml": "read here",
    "ini": "what the tests of the page are run with by tests/testing/test_docs.py",
    "json": "read here",
    "js": "parsed here, for no test has a browser for it",
    "text": "no code: a layout, a message, what goes over a wire",
    "": "no code: a picture",
}
"""Each kind of block that a page may have, and how it is held to what it says."""


@pytest.mark.parametrize("program", PROGRAMS)
async def test_a_program_runs_when_pasted_into_a_file(program: Block, tmp_path: Path) -> None:
    """It answers, complains of nothing, and exits with 0."""
    if is_local := "gestura.local" in program.code:
        skip_without_local_model()
    write_files(program.page, tmp_path)
    file = tmp_path / "pasted.py"
    file.write_text(program.code, encoding="utf-8")
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


def write_files(page: Path, folder: Path) -> None:
    """The blocks of a page that are files, as files."""
    for block in blocks(page):
        if block.file:
            (folder / block.file).write_text(block.code, encoding="utf-8")


def skip_without_local_model() -> None:
    pytest.importorskip("xllamacpp", reason="the local model's server is not installed", exc_type=ImportError)
    try:
        find_weights()
    except ConfigError as error:
        pytest.skip(str(error))


@each_page
async def test_the_pieces_of_a_page_run(page: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """They run, in their order and in one namespace."""
    pieces = [block for block in blocks(page, "python") if not block.is_program and not block.file]
    write_files(page, tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    namespace: dict[str, Any] = {"gestura": gestura, "os": os, "sys": sys, "trio": trio, "access_token": "any"}
    for piece in pieces:
        for variable in re.findall(r'environ\["(\w+)"\]', piece.code):
            monkeypatch.setenv(variable, "any")
    # Any string may be the name of a model.
    strings = {string for piece in pieces for string in re.findall(r'"([^"\n]+)"', piece.code)}
    scenarios = [attrs.evolve(answer_for(page), model=string) for string in (ANSWER.model, *strings)]
    with trio.fail_after(PATIENCE):
        async with open_simulator(scenarios) as simulator, open_aiohttp_transport() as transport:
            open_client = partial(gestura.open_client, transport=Diverted(transport, simulator))
            monkeypatch.setattr(gestura, "open_client", open_client)
            async with default_client() as client:
                namespace["client"] = client
                for piece in pieces:
                    await run_piece(piece, namespace)


def answer_for(page: Path) -> Scenario:
    text = page.read_text(encoding="utf-8")
    said = re.search(r"^<!-- the model says: (.*) -->$", text, re.MULTILINE)
    stalls = (Stall(after_events=2, times=1),) if "<!-- the first answer does not end -->" in text else ()
    return attrs.evolve(ANSWER, steps=(Text(said[1]),) if said else ANSWER.steps, faults=stalls)


def default_client() -> AbstractAsyncContextManager[gestura.Client]:
    settings = gestura.ProviderSettings(kind="openai_chat", model=ANSWER.model, api_key="any")
    return gestura.open_client(gestura.StreamingConfig(primary="any", providers={"any": settings}))


async def run_piece(piece: Block, namespace: dict[str, Any]) -> None:
    """Run a piece that may await; a traceback shows the page and the line."""
    code = "\n" * (piece.line - 1) + piece.code
    program = compile(code, piece.page, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
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


@each_page
def test_every_block_is_held_to_what_it_says(page: Path) -> None:
    """No block is of a kind that no test looks at, and none escapes by being indented or left open."""
    text = page.read_text(encoding="utf-8")

    assert 2 * len(list(blocks(page))) == len(re.findall(r"^ *```", text, re.MULTILINE))
    assert set() == {block.language for block in blocks(page)} - set(CHECKED)


@each_page
def test_files_of_toml_configure(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a page shows as a configuration is one, or a scenario of the simulator's."""
    for block in blocks(page, "toml"):
        if "steps = " in block.code:
            assert parse_scenario(block.code, name="any").steps
            continue
        for variable in re.findall(r'api_key_env = "(\w+)"', block.code):
            monkeypatch.setenv(variable, "any")
        file = tmp_path / "config.toml"
        file.write_text(block.code, encoding="utf-8")
        assert gestura.load_config(file).primary


@each_page
def test_lines_of_json_are_chunks(page: Path) -> None:
    """What a page shows as JSON are chunks, one on a line."""
    for block in blocks(page, "json"):
        for line in block.code.splitlines():
            assert gestura.from_json(json.loads(line))


@each_page
def test_scripts_for_a_browser_parse(page: Path) -> None:
    """JavaScript is what node takes for it."""
    for block in blocks(page, "js"):
        if shutil.which("node") is None:
            pytest.skip("node is not installed")
        checked = subprocess.run(["node", "--check", "-"], input=block.code.encode(), check=False, capture_output=True)  # noqa: S607
        assert 0 == checked.returncode, checked.stderr.decode()


def commands(page: Path) -> Iterator[list[str]]:
    """The words of every command that a page shows, without variables set in front of it."""
    text = page.read_text(encoding="utf-8")
    lines = re.findall(r"^ *\$ (.*)$", text, re.MULTILINE)
    lines += [line for block in blocks(page, "sh") for line in block.code.splitlines()]
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
                called = main.get_command(click.Context(main), name)
                assert called is not None, command
                options = {option for parameter in called.params for option in parameter.opts}
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
    assert all(
        f"gestura {name}" in README.read_text(encoding="utf-8") for name in main.list_commands(click.Context(main))
    )


def links(page: Path) -> list[str]:
    """Where the links of a page lead to in this repository."""
    prose = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"\]\((?!https?:)([^)#]+)", prose)


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    """Every link that stays in this repository names a file of it."""
    assert [] == [link for link in links(page) if not (page.parent / link).exists()]


def test_the_index_has_every_page() -> None:
    """A page of the documentation can be found from its index, and in the navigation of the site."""
    linked = {(INDEX.parent / link).resolve() for link in links(INDEX)}
    navigation = (ROOT / "docs" / "site" / "zensical.toml").read_text(encoding="utf-8")

    assert set() == {page for page in PAGES if page not in (INDEX, README)} - linked
    for page in PAGES:
        place = page.name.lower() if page.parent == ROOT else page.relative_to(ROOT / "docs").as_posix()
        assert page == README or f'"{place}"' in navigation, place
