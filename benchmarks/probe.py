"""What a client process measures while it reads: texts counted, their delays, CPU time, memory.

CPU time is that of all threads of the process. Of a paced workload it counts from the first event to the last, so that
connecting, which the server waits for, is left out; of the others from the request to the end of the answer. `curve` is
CPU time on the way: what an event cost up to the 1,000th, from there to the 10,000th, … Memory is the highest resident
set while streams are read, less what it was before: the kernel's own mark, which on Linux a process can reset.
"""

from __future__ import annotations

import gc
import math
import time
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise, takewhile
from pathlib import Path
from typing import Final

import attrs

from benchmarks.workload import STAMP_DIGITS, STAMPED_LENGTH, Workload

__all__ = ["Probe"]

MEMORY_FILES: Final = (Path("/proc/self/clear_refs"), Path("/proc/self/status"))
RESET_PEAK: Final = "5"  # see proc(5)


@attrs.define(eq=False)
class Probe:
    """Call it with each piece of text that a client receives, from any stream of the workload."""

    workload: Workload
    characters: int = 0
    first_text: float = 0.0
    """`time.monotonic()` at the first of all texts."""
    on_first: Callable[[], None] = attrs.field(default=lambda: None)
    """Called at that moment."""
    _expected: int = attrs.field(init=False)
    _stamps: bool = attrs.field(init=False)
    _delays: array[int] = attrs.field(init=False)
    _arrived: int = 0
    _first_stamp: int = 0
    _last_stamp: int = 0
    _milestones: list[tuple[int, int]] = attrs.field(init=False)
    """Of those to come, the last first: after how many events, and after how many characters."""
    _next_milestone: float = attrs.field(init=False)
    _passed: list[tuple[int, float]] = attrs.field(factory=list, init=False)
    _cpu: tuple[float, float] = (0.0, 0.0)
    _wall: tuple[float, float] = (0.0, 0.0)
    _asked: float = 0.0
    _memory_before: int = 0
    _memory_peak: int = 0

    def __attrs_post_init__(self) -> None:
        self._expected = self.workload.characters
        self._stamps = self.workload.kind == "paced"
        lengths = takewhile(lambda length: length <= self.workload.events, (10**power for power in range(3, 20)))
        self._milestones = [(length, attrs.evolve(self.workload, events=length).characters) for length in lengths][::-1]
        self._next_milestone = self._milestones[-1][1] if self._milestones else math.inf
        # Made before memory is looked at, so that what the probe holds is not put down to the client.
        self._delays = array("q", [0] * (self.workload.events * self.workload.streams if self._stamps else 0))

    def __call__(self, text: str) -> None:
        if not self.characters:
            self.first_text = time.monotonic()
            self.on_first()
            if self._stamps:
                self._begin()
                self._first_stamp = int(text[:STAMP_DIGITS])
        self.characters += len(text)
        if self.characters >= self._next_milestone:
            self._pass_milestone()
        if self._stamps:
            now = time.monotonic_ns()
            for start in range(0, len(text), STAMPED_LENGTH):
                stamp = int(text[start : start + STAMP_DIGITS])
                self._delays[self._arrived] = now - stamp
                self._arrived += 1
                self._last_stamp = max(self._last_stamp, stamp)
            if self.characters == self._expected:
                self._end()

    @contextmanager
    def measuring(self) -> Iterator[None]:
        """Around the reading of all streams."""
        gc.collect()
        self._memory_before = _memory("VmRSS", reset_peak=True)
        self._begin()
        self._asked = self._cpu[0]
        yield
        self.finish()

    def finish(self) -> None:
        """Nothing more will be read."""
        if not (self._stamps and self.complete):
            self._end()
        self._memory_peak = _memory("VmHWM")

    def _pass_milestone(self) -> None:
        self._passed.append((self._milestones.pop()[0], time.process_time()))
        self._next_milestone = self._milestones[-1][1] if self._milestones else math.inf

    def _begin(self) -> None:
        self._cpu = time.process_time(), 0.0
        self._wall = time.perf_counter(), 0.0

    def _end(self) -> None:
        self._cpu = self._cpu[0], time.process_time()
        self._wall = self._wall[0], time.perf_counter()

    @property
    def complete(self) -> bool:
        """Every character has been read."""
        return self.characters == self._expected

    def curve(self) -> dict[str, float]:
        """CPU µs per event from each power of ten to the next; the first has the cost of the request in it."""
        passed = [(0, self._cpu[0]), *self._passed]
        return {
            f"cpu_us_until_{events}": (cpu - cpu_before) / (events - events_before) * 1e6
            for (events_before, cpu_before), (events, cpu) in pairwise(passed)
        }

    def values(self) -> dict[str, float]:
        """What was measured, by metric; what could not be is left out."""
        if not self.characters:
            return {"complete": 0.0}
        events = self.workload.events * self.workload.streams * self.characters / self._expected
        seconds = self._wall[1] - self._wall[0]
        values = {
            "complete": float(self.complete),
            "cpu_us_per_event": (self._cpu[1] - self._cpu[0]) / events * 1e6,
            "events_per_second": events / seconds,
        }
        if self._memory_before:
            values["kib_per_stream"] = (self._memory_peak - self._memory_before) / 1024 / self.workload.streams
        if self._stamps:
            values["opening_us_per_stream"] = (self._cpu[0] - self._asked) / self.workload.streams * 1e6
            delays = sorted(self._delays[: self._arrived])
            values["latency_p50_ms"] = delays[len(delays) // 2] / 1e6
            values["latency_p99_ms"] = delays[len(delays) * 99 // 100] / 1e6
            # Of the load that the workload asks for, what the server offered; and of that, what the client carried.
            offered = nominal = self.workload.streams * self.workload.rate
            if self.complete:
                offered = events / (1 / nominal + (self._last_stamp - self._first_stamp) / 1e9)
                values["load_offered"] = min(1.0, offered / nominal)
            values["load_carried"] = min(1.0, events / (1 / nominal + seconds) / offered)
        return values


def _memory(field: str, *, reset_peak: bool = False) -> int:
    """Bytes of memory as the kernel counts them; 0 where it does not tell."""
    reset, status = MEMORY_FILES
    try:
        if reset_peak:
            reset.write_text(RESET_PEAK)
        [line] = [line for line in status.read_text().splitlines() if line.startswith(field)]
    except (OSError, ValueError):
        return 0
    return int(line.split()[1]) * 1024
