"""`gestura ask`: one prompt, and the answer as it comes."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import click

from gestura._client import open_client
from gestura.cancellation import CancellationToken
from gestura.chunks import Cancelled, Done, Ending, RetryAttempt, Status
from gestura.cli.configuration import config_option
from gestura.cli.interrupts import INTERRUPTED, run_until_interrupted
from gestura.cli.streams import columns_of, is_styled, write_out
from gestura.cli.views import AnswerOnly, JsonLines, Transcript, View
from gestura.cli.waiting import open_waiting_line
from gestura.cli.word_wrap import wrapped
from gestura.cli.wording import describe, describe_retry
from gestura.config import ProviderSettings, StreamingConfig
from gestura.config_file import load_config
from gestura.conversation import Request
from gestura.errors import InternalError
from gestura.local import LocalModel, open_local_model
from gestura.messages import user

__all__ = ["LOCAL", "ask", "local_settings"]

LOCAL = "local"
"""The provider name of the model that gestura starts itself."""


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
        _configuration(provider, config_path) as config,
        open_client(config) as client,
        open_waiting_line(f"waiting for {provider or config.primary}") as waiting,
        client.stream(request, provider=provider, model=model, token=token, record=record) as chunks,
    ):
        async for chunk in chunks:
            match chunk:
                case Status(message) if not isinstance(view, JsonLines):
                    waiting.what = message
                case RetryAttempt() if not isinstance(view, JsonLines):
                    waiting.note(describe_retry(chunk))
                case _:
                    waiting.vanish()
                    await write_out(view.feed(chunk))
            if isinstance(chunk, Ending):
                return chunk
    raise InternalError("a stream had no ending")


@asynccontextmanager
async def _configuration(provider: str | None, config_path: Path | None) -> AsyncIterator[StreamingConfig]:
    if provider != LOCAL:
        yield load_config(config_path)
        return
    async with open_local_model() as model:
        yield StreamingConfig(primary=LOCAL, providers={LOCAL: local_settings(model)})


def local_settings(model: LocalModel) -> ProviderSettings:
    """How a client reaches the model on this machine."""
    return ProviderSettings(kind="openai_chat", model=model.model, api_key=model.api_key, base_url=model.url)
