"""`gestura inspect`: a recording as a page that one can look at, with nothing fetched from anywhere."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

import attrs
import click

from gestura.cli.terminal_text import visible_line
from gestura.cli.timeline import Timeline, timeline_of
from gestura.recording import read_recording

__all__ = ["inspect", "page_of"]


@click.command()
@click.argument("recording", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="RECORDING")
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="The page; RECORDING.html."
)
def inspect(recording: Path, output: Path | None) -> None:
    """Make a page of a recording: who made what when, gaps, stalls, retries, drops, rates.

    RECORDING is what `gestura ask --record FILE`, or `client.stream(…, record=FILE)`, wrote. The page is one file that
    opens in any browser and loads nothing.
    """
    page = page_of(timeline_of(read_recording(recording)))
    output = output or recording.with_name(recording.name + ".html")
    output.write_text(page, encoding="utf-8")
    click.echo(visible_line(f"Wrote {output}"))


def page_of(timeline: Timeline) -> str:
    """The page of a timeline, as HTML."""
    shown = attrs.asdict(timeline) | {
        "first_content": timeline.first_content,
        "longest_gap": timeline.longest_gap,
        "characters_per_second": timeline.characters_per_second,
        "tokens_per_second": timeline.tokens_per_second,
    }
    # A model's words must not end the script element, nor be taken for markup.
    data = json.dumps(shown, ensure_ascii=True, default=str).replace("<", "\\u003c")
    template = files("gestura.cli").joinpath("inspection.html").read_text(encoding="utf-8")
    return template.replace("__DATA__", data)
