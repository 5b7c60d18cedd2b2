"""`gestura chat`: a conversation in the terminal, or the questions of a pipe, one by one."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import attrs
import click
import trio

from gestura._actors.recorded import open_recorder
from gestura._open_client import open_client
from gestura.cli.chatting.line_input import LineInput, PipedLines
from gestura.cli.chatting.loop import Chat
from gestura.cli.chatting.session import Session
from gestura.cli.chatting.tool_files import load_tools
from gestura.cli.display.showing import view_of_output
from gestura.cli.help import examples
from gestura.cli.options import (
    chunks_as_json,
    config_option,
    model_option,
    plain_option,
    provider_option,
    record_option,
)
from gestura.cli.whom import open_configuration

__all__ = ["chat"]


@click.command(
    epilog=examples(
        ("gestura chat", "with the provider that is configured"),
        ("gestura chat --provider local", "with a small model on this machine"),
        ("gestura chat --tools weather.py", "with tools of yours, each of which asks before it runs"),
        ("gestura chat < questions.txt > answers.txt", "line by line"),
    )
)
@provider_option
@model_option
@click.option("--system", metavar="TEXT", help="Instructions that stand above the conversation.")
@click.option(
    "--tools", multiple=True, metavar="FILE", help="A Python file or module with tools that the model may call."
)
@config_option
@record_option
@plain_option
@chunks_as_json
@click.pass_context
def chat(
    context: click.Context,
    provider: str | None,
    model: str | None,
    system: str | None,
    tools: Sequence[str],
    config_path: Path | None,
    record: Path | None,
    plain: bool,
    as_json: bool,
) -> None:
    """Talk with a model.

    Each line is a question; /help lists the commands. Ctrl-C pauses an answer, and leaves when it is pressed twice.
    What is piped in is asked line by line, and the answers are all that is written.
    """
    found = [attrs.evolve(tool, confirm=True) for tool in load_tools(tools)]
    is_interactive = sys.stdin.isatty()

    async def main() -> int:
        async with open_configuration(provider, model, config_path) as config, open_client(config) as client:
            session = Session(config=config, model=model, system=system, tools=found)
            lines = _lines_of_terminal() if is_interactive else PipedLines()
            with open_recorder(record, config.providers.values()) as recorder:
                make_view = partial(view_of_output, plain=plain, as_json=as_json)
                chat = Chat(
                    session, client, lines, is_interactive=is_interactive, make_view=make_view, recorder=recorder
                )
                return await chat.run()

    context.exit(trio.run(main))


def _lines_of_terminal() -> LineInput:
    from gestura.cli.chatting.line_editor import TerminalLines  # slow to import, and other commands need it not

    return TerminalLines()
