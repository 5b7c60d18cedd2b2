"""`gestura ask`: one prompt, and the answer as it comes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import click

from gestura._client import open_client
from gestura.cancellation import CancellationToken
from gestura.chunks import Cancelled, Done, Ending
from gestura.cli.configuration import config_option
from gestura.cli.interrupts import INTERRUPTED, run_until_interrupted
from gestura.cli.showing import show
from gestura.cli.streams import columns_of, is_styled
from gestura.cli.views import AnswerOnly, JsonLines, Transcript, View
from gestura.cli.waiting import open_waiting_line
from gestura.cli.whom import open_configuration
from gestura.cli.word_wrap import wrapped
from gestura.cli.wording import describe
from gestura.conversation import Request
from gestura.messages import user

__all__ = ["ask"]


@click.command()
@click.argument("prompt", nargs=-1)
@click.option("--provider", metavar="NAME", help="Which provider to ask; `local` starts a small model on this machine.")
@click.option("--model", metavar="NAME", help="Which model to ask; the provider's configured one unless told.")
@click.option("--system", metavar="TEXT", help="Instructions that stand above the conversation.")
@config_option
@click.option(
    "--record",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write what passes over the wire to this file, without secrets.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one tagged JSON chunk per line, the ending last.")
@click.pass_context
def ask(
    context: click.Context,
    prompt: Sequence[str],
    provider: str | None,
    model: str | None,
    system: str | None,
    config_path: Path | None,
    record: Path | None,
    as_json: bool,
) -> None:
    """Ask a model, and show the answer as it comes.

    What is piped in is appended to PROMPT. Where the output is not a terminal, it is the answer's text alone.
    """
    request = Request(messages=(user(_whole_prompt(prompt)),), system=system)
    transcript = Transcript(styled=is_styled(sys.stdout), columns=columns_of(sys.stdout))
    view: View = JsonLines() if as_json else transcript if sys.stdout.isatty() else AnswerOnly()
    token = CancellationToken()
    ending = run_until_interrupted(partial(_ask, request, provider, model, config_path, record, view, token), token)
    if isinstance(ending, Cancelled):
        context.exit(INTERRUPTED)
    if not isinstance(ending, Done):
        click.echo(wrapped(f"gestura: {describe(ending)}", columns_of(sys.stderr)), err=True)
        context.exit(1)
    if view is transcript:
        click.echo(transcript.end(ending), nl=False)


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
