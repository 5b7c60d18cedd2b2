"""`gestura replay`: recorded answers, as a client would have received them."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

import click

from gestura.chunks import Done, Ending
from gestura.cli.streams import columns_of, is_styled
from gestura.cli.terminal_text import visible_line
from gestura.cli.views import JsonLines, Transcript
from gestura.cli.wires import guess_wire
from gestura.config import ProviderSettings
from gestura.providers import BUILTIN_PROVIDERS
from gestura.testing.replay import replay as replay_reads

__all__ = ["replay"]

READ_SIZE = 64 * 1024  # as much as a transport gives at a time


@click.command()
@click.argument(
    "files", nargs=-1, required=True, metavar="FILE...", type=click.Path(exists=True, dir_okay=False, allow_dash=True)
)
@click.option("--wire", metavar="NAME", help="The wire format; guessed from the bytes when left out.")
@click.option("--json", "as_json", is_flag=True, help="Print one tagged JSON chunk per line, the ending last.")
@click.pass_context
def replay(context: click.Context, files: Sequence[str], wire: str | None, as_json: bool) -> None:
    """Turn recorded wire bytes into chunks.

    FILE holds the body of one streamed response, as the provider sent it; - is standard input. Exits with 1 when an
    answer ended otherwise than with "done", after all files were replayed.
    """
    if wire is not None:
        _check_known(wire, "--wire: ")
    failed = False
    for file in files:
        with click.open_file(file, "rb") as opened:
            body = opened.read()
        kind = wire or guess_wire(body)
        _check_known(kind, f"{file}: ")
        failed |= not _replay(file, body, kind, as_json=as_json, several=len(files) > 1)
    context.exit(1 if failed else 0)


def _replay(file: str, body: bytes, wire: str, *, as_json: bool, several: bool) -> bool:
    """Print one recording; whether its answer is complete."""
    transcript = Transcript(styled=is_styled(sys.stdout), columns=columns_of(sys.stdout))
    view = JsonLines({"file": file} if several else {}) if as_json else transcript
    if several and not as_json:
        sys.stdout.write(f"== {visible_line(file)}\n")
    complete = False
    for chunk in replay_reads(_reads(body), BUILTIN_PROVIDERS[wire](ProviderSettings(kind=wire, model=""))):
        sys.stdout.write(view.feed(chunk))
        complete = isinstance(chunk, Done)
        if isinstance(chunk, Ending) and not as_json:
            sys.stdout.write(transcript.end(chunk))
    sys.stdout.flush()
    return complete


def _reads(body: bytes) -> Iterator[bytes]:
    for start in range(0, len(body), READ_SIZE):
        yield body[start : start + READ_SIZE]


def _check_known(wire: str, where: str) -> None:
    if wire not in BUILTIN_PROVIDERS:
        known = ", ".join(BUILTIN_PROVIDERS)
        raise click.UsageError(f"{where}the wire format {wire!r} is not known; known are {known}")
