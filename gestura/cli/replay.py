"""`gestura replay`: recorded answers, as a client would have received them."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator, Sequence

import click

from gestura.chunks import Done, Ending
from gestura.cli.streams import columns_of, is_styled
from gestura.cli.terminal_text import visible_line
from gestura.cli.views import JsonLines, Transcript
from gestura.cli.wires import WIRES, guess_wire
from gestura.config import ProviderSettings
from gestura.providers import BUILTIN_PROVIDERS, Provider
from gestura.providers.ollama import Ollama
from gestura.testing.replay import replay as replay_reads

__all__ = ["replay"]

READ_SIZE = 64 * 1024  # as much as a transport gives at a time


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(allow_dash=True))
@click.option(
    "--wire", metavar="NAME", type=click.Choice(WIRES), help="The wire format; guessed from the bytes when left out."
)
@click.option("--json", "as_json", is_flag=True, help="Print one tagged JSON chunk per line, the ending last.")
@click.pass_context
def replay(context: click.Context, files: Sequence[str], wire: str | None, as_json: bool) -> None:
    """Turn recorded wire bytes into chunks.

    FILE holds the body of one streamed response, as the provider sent it; - is standard input. All files are replayed;
    then the exit code is 2 when one of them could not be, and else 1 when an answer ended otherwise than with "done".
    """
    code = 0
    for file in files:
        try:
            with click.open_file(file, "rb") as opened:
                body = opened.read()
        except OSError as error:
            code = _complain(file, f"can't be read: {error.strerror or error}")
            continue
        kind = wire or guess_wire(body)
        if kind is None:
            code = _complain(file, f"is in none of the wire formats {', '.join(WIRES)}; --wire NAME replays it as one")
        elif not _replay(file, body, kind, as_json=as_json, several=len(files) > 1):
            code = max(code, 1)
    context.exit(code)


def _complain(file: str, problem: str) -> int:
    """Tell why a file is passed over; the exit code for it."""
    sys.stdout.flush()
    click.echo(f"gestura: {visible_line(file)} {problem}", err=True)
    return 2


def _replay(file: str, body: bytes, wire: str, *, as_json: bool, several: bool) -> bool:
    """Print one recording; whether its answer is complete."""
    transcript = Transcript(styled=is_styled(sys.stdout), columns=columns_of(sys.stdout))
    view = JsonLines({"file": file} if several else {}) if as_json else transcript
    if several and not as_json:
        sys.stdout.write(f"== {visible_line(file)}\n")
    complete = False
    for chunk in replay_reads(_reads(body), _provider_of(wire)):
        sys.stdout.write(view.feed(chunk))
        complete = isinstance(chunk, Done)
        if isinstance(chunk, Ending) and not as_json:
            sys.stdout.write(transcript.end(chunk))
    sys.stdout.flush()
    return complete


def _reads(body: bytes) -> Iterator[bytes]:
    for start in range(0, len(body), READ_SIZE):
        yield body[start : start + READ_SIZE]


def _provider_of(wire: str) -> Provider:
    """What reads a wire format. It gives calls without an id the same one each time."""
    settings = ProviderSettings(kind=wire, model="")
    if wire == "ollama":
        return Ollama(settings, make_id=itertools.count(1).__next__)
    return BUILTIN_PROVIDERS[wire](settings)
