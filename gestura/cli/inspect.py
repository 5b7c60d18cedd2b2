"""`gestura inspect`: a recording as a page that one can look at, with nothing fetched from anywhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import attrs
import click

from gestura.cli.help import examples
from gestura.cli.recordings.timeline import Mark, Timeline, timeline_of
from gestura.cli.terminal_text import visible_line
from gestura.recording import read_recording

__all__ = ["inspect", "page_of"]


@click.command(
    epilog=examples(
        ("gestura ask --record it.jsonl Hi", "make a recording"),
        ("gestura inspect it.jsonl -o it.html", "make a page of it"),
        ("gestura inspect --json it.jsonl | jq .first_content", "seconds until the first word"),
    )
)
@click.argument("recording", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="RECORDING")
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="The page; RECORDING.html."
)
@click.option("--json", "as_json", is_flag=True, help="Print what the page is made of as one JSON object instead.")
def inspect(recording: Path, output: Path | None, as_json: bool) -> None:
    """Make a page of a recording: who made what when, gaps, stalls, retries, drops, rates.

    RECORDING is what `gestura ask --record FILE`, or `client.stream(…, record=FILE)`, wrote. The page is one file that
    opens in any browser and loads nothing.
    """
    timeline = timeline_of(read_recording(recording))
    if as_json:
        # Escaped to ASCII, which is safe on any terminal but for the one control character that JSON leaves as it is.
        click.echo(json.dumps(_figures(timeline, attrs.asdict)).replace("\x7f", "\\u007f"))
        return
    page = page_of(timeline)
    output = output or recording.with_name(recording.name + ".html")
    output.write_text(page, encoding="utf-8")
    click.echo(visible_line(f"Wrote {output}"))


def page_of(timeline: Timeline) -> str:
    """The page of a timeline, as HTML."""
    # Marks without the names of their fields, which would be half of a page of 20,000 events.
    shown = _figures(timeline, lambda mark: [mark.at, mark.kind, mark.detail, mark.size])
    # A model's words must not end the script element, nor be taken for markup.
    data = json.dumps(shown, ensure_ascii=True).replace("<", "\\u003c")
    template = files("gestura.cli.recordings").joinpath("inspection.html").read_text(encoding="utf-8")
    return template.replace("__DATA__", data)


def _figures(timeline: Timeline, mark: Callable[[Mark], object]) -> dict[str, Any]:
    """A timeline, and what follows from it. `mark` says how one stands in it."""
    gaps = timeline.gaps
    attempts = [
        attrs.asdict(attempt, recurse=False)
        | {"lanes": {name: list(map(mark, marks)) for name, marks in attempt.lanes.items()}}
        for attempt in timeline.attempts
    ]
    return attrs.asdict(timeline, recurse=False) | {
        "attempts": attempts,
        "first_content": timeline.first_content,
        "longest_gap": timeline.longest_gap,
        "median_gap": gaps[len(gaps) // 2] if gaps else None,
        "gap_95": gaps[len(gaps) * 95 // 100] if gaps else None,
        "characters_per_second": timeline.characters_per_second,
        "tokens_per_second": timeline.tokens_per_second,
    }
