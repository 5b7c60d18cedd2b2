"""`gestura replay`: recorded answers, as a client would have received them.

Two kinds of files are read. A recording (`gestura.recording`) is played through a client, with all that happened:
retries, silence, deadlines, cancellation. The bare body of a response goes through the stages of a stream.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs
import click

from gestura.chunks import Done, Ending, StreamChunk
from gestura.cli.display.streams import columns_of, is_styled
from gestura.cli.display.views import JsonLines, Transcript, View
from gestura.cli.help import examples
from gestura.cli.options import NamedChoice, chunks_as_json
from gestura.cli.recordings.playing import play, through
from gestura.cli.recordings.wires import WIRES, guess_wire
from gestura.cli.terminal_text import visible_line
from gestura.config import ProviderSettings, StreamingConfig
from gestura.config_file import load_config
from gestura.errors import ConfigError
from gestura.providers import BUILTIN_PROVIDERS, Provider
from gestura.providers.ollama import Ollama
from gestura.recording import is_recording, parse_recording
from gestura.testing.replay import replay as replay_reads

__all__ = ["replay"]

READ_SIZE = 64 * 1024  # as much as a transport gives at a time


@click.command(
    epilog=examples(
        ("gestura replay it.jsonl", "what a recorded stream gave, at once"),
        ("gestura replay --speed 1 it.jsonl", "as fast as it was"),
        ("gestura replay --json answers/*.sse", "the bodies of responses, as JSON lines"),
        ("curl -sN … | gestura replay -", "the body of one that comes"),
    )
)
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(allow_dash=True))
@click.option(
    "--speed",
    type=click.FloatRange(min=0, min_open=True),
    metavar="TIMES",
    help="Play a recording so many times as fast as it was; without any waiting unless told.",
)
@click.option(
    "--wire", metavar="NAME", type=NamedChoice(WIRES), help="The wire format of a body; guessed when left out."
)
@click.option(
    "--config",
    "config_path",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Play a recording with the deadlines, limits and retries of this configuration instead of its own.",
)
@chunks_as_json
@click.pass_context
def replay(
    context: click.Context,
    files: Sequence[str],
    speed: float | None,
    wire: str | None,
    config_path: Path | None,
    as_json: bool,
) -> None:
    """Turn recordings, or recorded bodies of responses, into chunks.

    FILE is what `--record` wrote, or the body of one streamed response, as the provider sent it; - is standard input.
    All files are replayed; then the exit code is 2 when one of them could not be, and else 1 when an answer ended
    otherwise than with "done".
    """
    config = load_config(config_path) if config_path is not None else None
    code = 0
    for file in files:
        printer = _Printer(file, as_json=as_json, several=len(files) > 1)
        try:
            with click.open_file(file, "rb") as opened:
                body = opened.read()
            if is_recording(body[:100]):
                _play(file, body, printer, speed, config)
            else:
                _replay(body, wire, printer)
        except BrokenPipeError:
            raise  # it is standard output whose reader has left
        except OSError as error:
            code = _complain(file, f"can't be read: {error.strerror or error}")
        except ConfigError as error:
            code = _complain(file, str(error).removeprefix(file))
        else:
            code = max(code, 0 if printer.complete else 1)
    context.exit(code)


def _complain(file: str, problem: str) -> int:
    """Tell why a file is passed over; the exit code for it."""
    sys.stdout.flush()
    click.echo(
        f"gestura: {visible_line(file)}{'' if problem.startswith(':') else ' '}{visible_line(problem)}", err=True
    )
    return 2


@attrs.define
class _Printer:
    """Prints the chunks of a file.

    Args:
        file: its name.
        as_json: a line each.
        several: there are other files.
    """

    _file: str
    _as_json: bool = attrs.field(kw_only=True)
    _several: bool = attrs.field(kw_only=True)
    complete: bool = attrs.field(default=False, init=False)
    """All that was printed ended with `Done`, and something was."""
    _view: View | None = attrs.field(default=None, init=False)

    def begin(self, place: str = "") -> None:
        """Another stream begins."""
        extra = {"file": self._file} if self._several else {}
        transcript = Transcript(styled=is_styled(sys.stdout), columns=columns_of(sys.stdout))
        self._view = JsonLines(extra) if self._as_json else transcript
        if (self._several or place) and not self._as_json:
            sys.stdout.write(f"== {visible_line(self._file)}{place}\n")

    def show(self, chunk: StreamChunk) -> None:
        """Print a chunk. Not in a thread: the time of a recording stands still meanwhile."""
        assert self._view is not None  # noqa: S101  # begun
        sys.stdout.write(self._view.feed(chunk))
        self.complete = isinstance(chunk, Done)
        if isinstance(chunk, Ending) and isinstance(self._view, Transcript):
            sys.stdout.write(self._view.end(chunk))
        sys.stdout.flush()


def _play(file: str, body: bytes, printer: _Printer, speed: float | None, config: StreamingConfig | None) -> None:
    """Play a recording, each of its streams in turn."""
    streams = parse_recording(body.splitlines(), file).streams()
    if not streams:
        raise ConfigError("is a recording of nothing: no stream is in it")
    complete = True
    for number, stream in enumerate(streams, 1):
        printer.begin(f", answer {number} of {len(streams)}" if len(streams) > 1 else "")
        play(through(stream, config) if config is not None else stream, printer.show, speed=speed)
        complete = complete and printer.complete
    printer.complete = complete


def _replay(body: bytes, wire: str | None, printer: _Printer) -> None:
    """Print what the body of a response gives."""
    kind = wire or guess_wire(body)
    if kind is None:
        raise ConfigError(f"is in none of the wire formats {', '.join(WIRES)}; --wire NAME replays it as one")
    printer.begin()
    for chunk in replay_reads(_reads(body), _provider_of(kind)):
        printer.show(chunk)


def _reads(body: bytes) -> Iterator[bytes]:
    for start in range(0, len(body), READ_SIZE):
        yield body[start : start + READ_SIZE]


def _provider_of(wire: str) -> Provider:
    """What reads a wire format. It gives calls without an id the same one each time."""
    settings = ProviderSettings(kind=wire, model="")
    if wire == "ollama":
        return Ollama(settings, make_id=itertools.count(1).__next__)
    return BUILTIN_PROVIDERS[wire](settings)
