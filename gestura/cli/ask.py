"""`gestura ask`: one prompt, and the answer as it comes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import click

from gestura._open_client import open_client
from gestura.cancellation import CancellationToken
from gestura.chunks import Cancelled, Done, Ending
from gestura.cli.display.showing import show, view_of_output
from gestura.cli.display.streams import columns_of
from gestura.cli.display.views import Transcript, View
from gestura.cli.display.waiting import open_waiting_line
from gestura.cli.display.word_wrap import wrapped
from gestura.cli.display.wording import describe
from gestura.cli.help import examples
from gestura.cli.interrupts import INTERRUPTED, run_until_interrupted
from gestura.cli.options import (
    chunks_as_json,
    config_option,
    model_option,
    plain_option,
    provider_option,
    record_option,
)
from gestura.cli.whom import open_configuration
from gestura.conversation import Request
from gestura.messages import user

__all__ = ["ask"]


@click.command(
    epilog=examples(
        ('gestura ask "Why is the sky blue?"', "the provider that is configured"),
        ("gestura ask --provider local Hi", "a small model on this machine, without a key"),
        ('git diff | gestura ask "Write a commit message." > message.txt', "in a pipe: the answer and nothing else"),
        ("gestura ask --json Hi | jq -r 'select(.type == \"text\").text'", "for programs"),
        ("gestura ask --record it.jsonl Hi && gestura inspect it.jsonl", "what passes over the wire, as a page"),
    )
)
@click.argument("prompt", nargs=-1)
@provider_option
@model_option
@click.option("--system", metavar="TEXT", help="Instructions that stand above the conversation.")
@config_option
@record_option
@plain_option
@chunks_as_json
@click.pass_context
def ask(
    context: click.Context,
    prompt: Sequence[str],
    provider: str | None,
    model: str | None,
    system: str | None,
    config_path: Path | None,
    record: Path | None,
    plain: bool,
    as_json: bool,
) -> None:
    """Ask a model, and show the answer as it comes.

    What is piped in is appended to PROMPT. Where the output is not a terminal, it is the answer's text alone.
    """
    request = Request(messages=(user(_whole_prompt(prompt)),), system=system)
    view = view_of_output(plain=plain, as_json=as_json)
    token = CancellationToken()
    ending = run_until_interrupted(partial(_ask, request, provider, model, config_path, record, view, token), token)
    if isinstance(ending, Cancelled):
        context.exit(INTERRUPTED)
    if not isinstance(ending, Done):
        click.echo(wrapped(f"gestura: {describe(ending)}", columns_of(sys.stderr)), err=True)
        context.exit(1)
    if isinstance(view, Transcript):
        click.echo(view.end(ending), nl=False)


def _whole_prompt(words: Sequence[str]) -> str:
    """The prompt from the arguments, then what was piped in."""
    piped = "" if sys.stdin is None or sys.stdin.isatty() else sys.stdin.buffer.read().decode("utf-8", "replace")
    prompt = "\n\n".join(part for part in (" ".join(words), piped.strip("\n")) if part.strip())
    if not prompt:
        raise click.UsageError("there is no prompt: give it as an argument, or pipe it in")
    return prompt


async def _ask(
    request: Request,
    provider: str | None,
    model: str | None,
    config_path: Path | None,
    record: Path | None,
    view: View,
    token: CancellationToken,
) -> Ending:
    async with (
        open_configuration(provider, model, config_path) as config,
        open_client(config) as client,
        open_waiting_line(f"waiting for {config.primary}") as waiting,
        client.stream(request, model=model, token=token, record=record) as chunks,
    ):
        return await show(chunks, view, waiting)
