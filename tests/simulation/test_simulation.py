"""Whole clients in random worlds: 1,000 streams, with `HYPOTHESIS_PROFILE=thorough` 10,000. A failure names a seed."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trio

import gestura
from gestura import _client
from gestura._actors import attempt, interrupt, outlet, provider_run
from gestura._actors.inbox import Inbox
from gestura._actors.statistics import Counts
from gestura._stream import ChunkStream
from gestura.config import StreamingConfig
from gestura.testing.simulation import simulate

STREAMS = 100
SEEDS = range(100 if os.environ.get("HYPOTHESIS_PROFILE") == "thorough" else 10)
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_laws_hold(seed: int) -> None:
    """In any world, for each of its streams, every law of `gestura.testing.simulation.laws` holds."""
    report = simulate(seed, streams=STREAMS)

    assert () == report.problems
    assert STREAMS <= report.streams == sum(report.endings.values())


@pytest.mark.parametrize("seed", range(1000, 1000 + len(SEEDS) // 5))
def test_the_laws_hold_in_a_crowd(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """So they do where there is room for two chunks only, and nearly every chunk finds the channel full."""
    monkeypatch.setattr(_client, "CHUNKS_TO_THE_USER", 2)
    report = simulate(seed, streams=STREAMS)

    assert () == report.problems


def test_everything_happens() -> None:
    """Streams of these worlds end in every way, are left, are retried, and go on after a pause; hours pass in each."""
    reports = [simulate(seed, streams=40, hours=2) for seed in range(8)]
    endings = sum((Counter(report.endings) for report in reports), Counter())
    log = "\n".join(line for report in reports for line in report.log)

    assert {"Done", "Error", "Cancelled", "Paused", "ContextOverflow", "left"} == set(endings)
    assert all(words in log for words in ("RetryAttempt", "discard=True", "asking p1 instead", "the user failed"))
    assert any(report.streams > 40 for report in reports)
    assert all(report.seconds > 5400 for report in reports)


# Replay.

PROGRAM = """
from gestura.config import StreamingConfig
from gestura.testing.simulation import simulate
StreamingConfig.__init__.__kwdefaults__["fused"] = {fused}
print(simulate(7, streams=40).digest)
"""


def test_a_seed_replays_exactly() -> None:
    """One seed gives the same events at the same times in any process, whatever its hashes and addresses."""
    here = simulate(7, streams=40)
    there = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM.format(fused=StreamingConfig().fused)],
            env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)},
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
        for hash_seed in ("1", "2")
    }

    assert simulate(7, streams=40) == here
    assert {here.digest} == there
    assert simulate(8, streams=40).digest != here.digest


def test_a_failure_names_its_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is raised begins with what it takes to see it again, and tells which stream broke which law."""

    def no_stream_is_three(stream: Any) -> Iterator[str]:
        if stream.watched.stream == 3:
            yield "is three"

    monkeypatch.setattr("gestura.testing.simulation.LAWS", (no_stream_is_three,))
    with pytest.raises(AssertionError, match=r"^seed 4, 10 streams, 1 hours:\nstream 3: no_stream_is_three: is three"):
        simulate(4, streams=10)


def test_a_log_can_be_read_by_stream() -> None:
    """A report gives the story of one stream: its requests, its chunks and its end."""
    report = simulate(7, streams=40)
    story = report.log_of(2)

    assert story
    assert all(" stream 2: " in line for line in story)
    assert "left" in story[-1]


# Nothing is left behind.


def test_every_channel_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """When a client is closed, every inbox of its tasks was ended by its senders and closed by its owner."""
    inboxes: list[Inbox[Any]] = []

    class Recorded(Inbox[Any]):
        __slots__ = ("is_ended",)

        def __init__(self, capacity: int) -> None:
            super().__init__(capacity)
            self.is_ended = False
            inboxes.append(self)

        def end(self) -> None:
            super().end()
            self.is_ended = True

    for module in (_client, attempt):
        monkeypatch.setattr(module, "Inbox", Recorded)
    simulate(11, streams=80)

    of_a_stream = 3 if StreamingConfig().fused else 6  # between the actors of an attempt, and the user's

    assert 80 * of_a_stream <= len(inboxes)
    assert {(True, True)} == {(inbox.is_ended, inbox.is_closed) for inbox in inboxes}


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="only Linux lists a process's descriptors there")
def test_no_descriptor_is_left() -> None:
    """A simulation leaves no file descriptor open, and no thread."""

    def resources() -> tuple[int, int]:
        return len(list(Path("/proc/self/fd").iterdir())), threading.active_count()

    simulate(12, streams=5)  # whatever is opened once and for all is open now
    before = resources()
    simulate(12, streams=40)

    assert before == resources()


# The laws notice what is broken: each of these sabotages a part of gestura.


def retry_after_output(patch: pytest.MonkeyPatch) -> None:
    decide = provider_run.decide
    patch.setattr(provider_run, "decide", lambda *args, **rest: decide(*args, **{**rest, "shown": False}))


def ignore_tokens(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(interrupt.Interrupt, "_cancel_scopes", lambda self: None)


def count_no_drops(patch: pytest.MonkeyPatch) -> None:
    class Nothing(Counter[str]):
        def __setitem__(self, key: str, value: int) -> None:
            pass

    patch.setattr(_client, "Counts", lambda: Counts(dropped=Nothing()))


def end_twice(patch: pytest.MonkeyPatch) -> None:
    end, ended = ChunkStream._end, weakref.WeakSet[ChunkStream]()

    async def again(self: ChunkStream) -> gestura.StreamChunk:
        ending = await end(self)
        if self not in ended:
            ended.add(self)
            self._ending = None
        return ending

    patch.setattr(ChunkStream, "_end", again)


def lose_words(patch: pytest.MonkeyPatch) -> None:
    send = outlet.Outlet.send

    async def lossy(self: Any, chunk: gestura.StreamChunk, *rest: Any) -> None:
        if not (isinstance(chunk, gestura.Text) and "sky" in chunk.text):
            await send(self, chunk, *rest)

    patch.setattr(outlet.Outlet, "send", lossy)


def keep_places(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(trio.CapacityLimiter, "release", lambda self: None)


@pytest.mark.parametrize(
    ("sabotage", "law"),
    [
        (retry_after_output, "what_was_shown_ends_the_right_to_retry"),
        (ignore_tokens, "it_lets_go_at_once"),
        (count_no_drops, "only_news_is_dropped"),
        (end_twice, "it_ends_once"),
        (lose_words, "a_done_answer_is_whole"),
        (keep_places, "nothing_unexpected_is_raised"),
    ],
)
def test_the_laws_notice(
    monkeypatch: pytest.MonkeyPatch, sabotage: Callable[[pytest.MonkeyPatch], None], law: str
) -> None:
    """Where a part of gestura is broken, the law about that part is seen to be broken within a few worlds."""
    sabotage(monkeypatch)
    broken = set()
    for seed in range(40):
        try:
            simulate(seed, streams=30)
        except AssertionError as error:
            broken |= {line.split(": ")[1] for line in str(error).splitlines() if line.startswith("stream ")}
        if law in broken:
            return

    pytest.fail(f"{law} was not seen to be broken, only {broken}")
