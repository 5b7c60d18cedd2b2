"""`gestura inspect` makes one page of a recording, which shows what is in it and obeys none of it."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import trio
from click.testing import CliRunner
from scripting import DONE, FINISH, delta, open_scripted, text
from trio.testing import MockClock

import gestura
from gestura.cli import main
from gestura.cli.inspect import page_of
from gestura.cli.recordings.timeline import timeline_of
from gestura.config import AfterOutput, RetryPolicy
from gestura.recording import read_recording
from gestura.transport.scripted import Break, ScriptedExchange, Wait

HOSTILE = '</script><script>document.title="owned"</script><img src=x onerror=alert(1)>'
BODY = [delta(reasoning_content="Hm."), Wait(1), text("Hel"), Wait(3), text("lo " + HOSTILE), FINISH, DONE]


@pytest.fixture
async def written(tmp_path: Path, autojump_clock: MockClock) -> Path:
    """A stream with a refusal before its answer."""
    path = tmp_path / "it"
    exchanges = [ScriptedExchange(status=503, body=[b"busy"]), ScriptedExchange(answering=[Wait(0.5)], body=BODY)]
    retry = RetryPolicy(max_attempts=2, jitter=0)
    async with open_scripted(exchanges, retry=retry) as client, client.stream("Hi", record=path) as stream:
        await stream.collect()
    return path


def data_of(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found
    data: dict[str, Any] = json.loads(found[1])
    return data


async def test_a_timeline_tells_when_what_was_made(written: Path, autojump_clock: MockClock):
    """Each attempt by its times and its end; of the one that answered, who made what, gaps and rates."""
    timeline = timeline_of(read_recording(written))
    refused, answered = timeline.attempts

    assert (503, "refused with 503", None) == (refused.status, refused.outcome, refused.wire)
    assert (200, "complete", "openai_chat") == (answered.status, answered.outcome, answered.wire)
    assert ("Hello " + HOSTILE, "Hm.", "stop") == (timeline.text, timeline.thinking, timeline.finish)
    assert 1.5 == pytest.approx(timeline.first_content, abs=0.01)
    assert (2.5, 5.5) == pytest.approx(timeline.longest_gap, abs=0.01)
    assert timeline.characters_per_second == pytest.approx((6 + len(HOSTILE)) / 4, abs=0.01)
    assert ["HTTP reader", "line splitter", "wire decoder", "think-tag parser", "tool-call assembler"] == list(
        answered.lanes
    )
    assert ["Thinking", "Text", "Text", "Finish", "Terminal"] == [
        mark.kind for mark in answered.lanes["tool-call assembler"]
    ]
    assert 2 == timeline.statistics["attempts"]


def test_the_time_in_which_gestura_wanted_nothing_is_marked(tmp_path: Path):
    """Between a read and the wish for the next one; the server's own silence is no stall."""
    lines = [
        {"recording": 1, "gestura": "0"},
        {"at": 0.0, "event": "stream", "config": {}},
        {"at": 0.0, "exchange": 0, "event": "request", "url": "u"},
        {"at": 0.1, "exchange": 0, "event": "response", "status": 200},
        {"at": 0.2, "exchange": 0, "event": "read", "asked": 0.1, "text": "data: {}\n\n"},
        {"at": 5.0, "exchange": 0, "event": "read", "asked": 0.2, "text": "data: {}\n\n"},
        {"at": 9.0, "exchange": 0, "event": "read", "asked": 8.0, "text": "data: {}\n\n"},
    ]
    path = tmp_path / "it"
    path.write_text("\n".join(map(json.dumps, lines)))
    (attempt,) = timeline_of(read_recording(path)).attempts

    assert ([(5.0, 8.0)], "broken off") == (attempt.stalls, attempt.outcome)


@pytest.mark.parametrize(
    ("after_output", "shown", "first"), [(AfterOutput.CONTINUE, "Hello", 0.0), (AfterOutput.RESTART, "lo", 3.0)]
)
async def test_an_answer_that_is_gone_on_with_is_one(
    after_output: AfterOutput, shown: str, first: float, tmp_path: Path, autojump_clock: MockClock
):
    """Where another attempt goes on, what the one before it said counts; where it begins anew, it does not."""
    exchanges = [
        ScriptedExchange(body=[text("Hel"), Wait(2), Break()]),
        ScriptedExchange(body=[text("lo"), FINISH, DONE]),
    ]
    retry = RetryPolicy(max_attempts=2, jitter=0)
    async with (
        open_scripted(exchanges, retry=retry, after_output=after_output) as client,
        client.stream("Hi", record=tmp_path / "it") as stream,
    ):
        await stream.collect()
    timeline = timeline_of(read_recording(tmp_path / "it"))

    assert (shown, first) == (timeline.text, pytest.approx(timeline.first_content))


async def test_the_answers_of_a_turn_are_one_timeline(tmp_path: Path, autojump_clock: MockClock):
    """One below the other, with all that was dropped and asked."""
    call = {"index": 0, "id": "c", "function": {"name": "answer", "arguments": "{}"}}

    @gestura.tool
    async def answer() -> int:
        return 42

    exchanges = [
        ScriptedExchange(body=[text("Let me see."), delta(tool_calls=[call]), delta("tool_calls"), DONE]),
        ScriptedExchange(body=[text("It is 42."), FINISH, DONE]),
    ]
    async with (
        open_scripted(exchanges) as client,
        client.run("Hi", tools=[answer], record=tmp_path / "it") as run,
    ):
        await run.collect()
    timeline = timeline_of(read_recording(tmp_path / "it"))

    assert ("Let me see.\n\nIt is 42.", 2) == (timeline.text, timeline.statistics["attempts"])
    assert ["complete", "complete"] == [attempt.outcome for attempt in timeline.attempts]


async def test_the_page_is_one_file_that_obeys_nothing(written: Path, autojump_clock: MockClock):
    """It loads nothing, and what a model wrote stands in it as data only."""
    page = page_of(timeline_of(read_recording(written)))

    assert "Hello " + HOSTILE == data_of(page)["text"]
    assert HOSTILE not in page
    page = re.sub(r"<script type=.*?</script>", "", page, flags=re.DOTALL)
    assert not re.search(r"(src|href)=|https?://|@import|url\(", page)


async def test_the_command_writes_the_page_beside_the_recording(written: Path, autojump_clock: MockClock):
    """Or where it is told to; a file that is no recording is the user's mistake."""
    beside = CliRunner().invoke(main, ["inspect", str(written)])
    page = written.with_name("page.html")
    elsewhere = CliRunner().invoke(main, ["inspect", str(written), "-o", str(page)])
    wrong = CliRunner().invoke(main, ["inspect", str(page)])
    as_json = CliRunner().invoke(main, ["inspect", "--json", str(written)])

    assert (0, f"Wrote {written}.html\n") == (beside.exit_code, beside.stdout)
    assert written.with_name("it.html").read_bytes() == page.read_bytes()
    assert 0 == elsewhere.exit_code
    assert "Hello " + HOSTILE == json.loads(as_json.stdout)["text"]
    assert (2, True) == (wrong.exit_code, "no recording: `gestura ask --record FILE` makes one" in wrong.stderr)


async def shown_by_browser(page: str, folder: Path) -> str:
    """The document of a page after its scripts have run, in a browser that keeps everything of its own in `folder`."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("there is no Chromium on the path")
    file = folder / "page.html"
    file.write_text(page, encoding="utf-8")
    flags = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    command = [
        browser,
        *flags.split(),
        "--disable-component-update",
        "--disable-sync",
        f"--user-data-dir={folder}/user",
    ]
    # It has places beside the user's: reports of crashes go to the configuration, whatever the user's directory is.
    places = {name: str(folder / name) for name in ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME")}
    done = await trio.run_process(
        [*command, "--dump-dom", file.as_uri()], capture_stdout=True, capture_stderr=True, env={**os.environ, **places}
    )
    return done.stdout.decode()


async def test_a_browser_shows_it(written: Path, tmp_path: Path, autojump_clock: MockClock):
    """In a real one: the figures and the answer are there, as text, and no script but the page's has run."""
    shown = await shown_by_browser(page_of(timeline_of(read_recording(written))), tmp_path)

    assert "<title>gestura: a stream</title>" in shown
    assert "<span>until the first word</span>" in shown
    assert "Hello &lt;/script&gt;" in shown
    assert "refused with 503" in shown


async def test_a_browser_shows_a_long_stream(tmp_path: Path):
    """Twenty thousand events, each to be pointed at, in a page of some megabytes."""
    lines: list[dict[str, Any]] = [
        {"recording": 1, "gestura": "0"},
        {"at": 0.0, "event": "stream", "config": {}},
        {"at": 0.0, "exchange": 0, "event": "request", "url": "u"},
        {"at": 0.1, "exchange": 0, "event": "response", "status": 200},
        *(
            {"at": 0.2 + place / 1000, "exchange": 0, "event": "read", "asked": 0.1, "text": text("w ").decode()}
            for place in range(20_000)
        ),
    ]
    path = tmp_path / "it"
    path.write_text("\n".join(map(json.dumps, lines)))
    page = page_of(timeline_of(read_recording(path)))
    shown = await shown_by_browser(page, tmp_path)

    assert len(page) < 20_000_000
    assert "line splitter <small>20,000</small>" in shown
    assert '<span>gaps <small>between its pieces</small></span><canvas class="tall"' in shown
