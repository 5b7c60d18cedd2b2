"""What a recording shows when its bytes go through the stages again: what each actor made, and when. Pure.

A stage is a pure machine, so what it makes of a read it made at the time of that read. What passed between two reads is
either the server's silence or ours: until the engine wanted bytes again, it was we who held up the stream.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import attrs

from gestura._actors.topology import stage_actors
from gestura.chunks import Text, Thinking, ToolCallArgs
from gestura.cli.recordings.wires import guess_wire
from gestura.config import AfterOutput, ProviderSettings
from gestura.errors import ProtocolError
from gestura.limits import Limits
from gestura.providers import BUILTIN_PROVIDERS
from gestura.recording import Event, Recording
from gestura.stages.deltas import Finish, Frame, ModelName, Usage

__all__ = ["Attempt", "Mark", "Timeline", "timeline_of"]

READER: Final = "HTTP reader"

LONGEST_DETAIL: Final = 200
"""Characters of an item that the page shows."""

STALL_SECONDS: Final = 0.05
"""A pause of ours that is worth a mark."""


@attrs.frozen
class Mark:
    """Something that an actor made.

    Args:
        at: seconds from the beginning of the stream.
        kind: what it is: `bytes`, or the name of a class.
        detail: what is in it, cut short.
        size: bytes, or characters.
    """

    at: float
    kind: str
    detail: str
    size: int


@attrs.frozen(kw_only=True)
class Attempt:
    """One request, from its beginning to its end.

    Args:
        number: which one, from 0.
        url: what was asked.
        began, connected, answered, ended: seconds from the beginning of the stream; `None` for what did not happen.
        status: of the response.
        outcome: how it ended, in words.
        wire: the wire format that its bytes are in.
        lanes: by actor, what it made.
        stalls: spans, in seconds, in which the engine wanted no bytes.
    """

    number: int
    url: str
    began: float
    connected: float | None
    answered: float | None
    ended: float | None
    status: int | None
    outcome: str
    wire: str | None
    lanes: dict[str, list[Mark]]
    stalls: list[tuple[float, float]]


@attrs.frozen(kw_only=True)
class Timeline:
    """A whole stream.

    Args:
        attempts: its requests.
        seconds: how long it took.
        model: who answered.
        usage: token counts of the last answer, as far as they were told.
        finish: why the model stopped, in its provider's word.
        text: the answer: that of the last attempt, or of each where one goes on from the other; of a turn, all of them.
        thinking: its reasoning.
        output: when how many characters of it were shown.
        statistics: what the stream said of itself: queue depths, drops, oddities.
    """

    attempts: list[Attempt]
    seconds: float
    model: str | None
    usage: dict[str, int]
    finish: str | None
    text: str
    thinking: str
    output: list[tuple[float, int]]
    statistics: dict[str, Any]

    @property
    def first_content(self) -> float | None:
        """Seconds until the answer's first word."""
        return self.output[0][0] if self.output else None

    @property
    def longest_gap(self) -> tuple[float, float] | None:
        """The longest span, in seconds, between two pieces of the answer."""
        times = [at for at, _size in self.output]
        return max(itertools.pairwise(times), key=lambda span: span[1] - span[0], default=None)

    @property
    def gaps(self) -> list[float]:
        """The spans between the pieces of the answer, in seconds, shortest first."""
        return sorted(after - before for (before, _), (after, _) in itertools.pairwise(self.output))

    @property
    def characters_per_second(self) -> float | None:
        """From the first piece of the answer to the last."""
        if len(self.output) < 2 or self.output[-1][0] == self.output[0][0]:
            return None
        return sum(size for _at, size in self.output[1:]) / (self.output[-1][0] - self.output[0][0])

    @property
    def tokens_per_second(self) -> float | None:
        """The provider's count of output tokens over the time from the first piece of the answer to the last."""
        count, rate = self.usage.get("output_tokens"), self.characters_per_second
        return count / (self.output[-1][0] - self.output[0][0]) if count and rate else None


def timeline_of(recording: Recording) -> Timeline:
    """The timeline of a recording."""
    attempts: list[Attempt] = []
    answers: list[_Told] = []
    for part in recording.parts():
        goes_on = part.events[0].fields.get("config", {}).get("after_output") == AfterOutput.CONTINUE.value
        answers.append(told := _Told())
        for events in part.exchanges():
            if not goes_on:
                answers[-1] = told = _Told()  # what an earlier attempt said does not count
            attempts.append(_attempt(len(attempts), events, told))
    last = answers[-1] if answers else _Told()
    return Timeline(
        attempts=attempts,
        seconds=max((event.at for event in recording.events), default=0.0),
        model=last.model,
        usage=last.usage,
        finish=last.finish,
        text="\n\n".join(filter(None, ("".join(each.text) for each in answers))),
        thinking="\n\n".join(filter(None, ("".join(each.thinking) for each in answers))),
        output=[piece for each in answers for piece in each.output],
        statistics=_statistics([dict(event.fields) for event in recording.events if event.name == "statistics"]),
    )


def _statistics(streams: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the streams said of themselves, together; the actors are those of the last."""
    if not streams:
        return {}
    dropped: Counter[str] = Counter()
    for each in streams:
        dropped.update(each.get("dropped", {}))
    return {
        **streams[-1],
        "attempts": sum(each.get("attempts", 0) for each in streams),
        "dropped": dict(dropped),
        "deepest_queue": max(each.get("deepest_queue", 0) for each in streams),
    }


@attrs.define
class _Told:
    """What the last attempt said of itself."""

    model: str | None = None
    finish: str | None = None
    usage: dict[str, int] = attrs.field(factory=dict)
    text: list[str] = attrs.field(factory=list)
    thinking: list[str] = attrs.field(factory=list)
    output: list[tuple[float, int]] = attrs.field(factory=list)

    def note(self, item: object, at: float) -> None:
        match item:
            case Text(text):
                self.text.append(text)
                self.output.append((at, len(text)))
            case Thinking(text):
                self.thinking.append(text)
                self.output.append((at, len(text)))
            case ToolCallArgs(fragment=text):
                self.output.append((at, len(text)))
            case ModelName(model):
                self.model = model
            case Finish(reason, word):
                self.finish = word or reason.value
            case Usage(usage):
                self.usage = attrs.asdict(usage, filter=lambda _, count: count is not None)


def _attempt(number: int, events: Sequence[Event], told: _Told) -> Attempt:
    when = {event.name: event.at for event in events}
    first = {event.name: event for event in reversed(events)}
    status = first["response"].fields["status"] if "response" in first else None
    reads = [event for event in events if event.name == "read"]
    is_stream = status is not None and 200 <= status < 300
    wire = guess_wire(b"".join(event.fields["data"] for event in reads)) if is_stream and reads else None
    lanes = {READER: [_bytes_mark(event) for event in reads]} | (_lanes(wire, reads, told) if wire else {})
    return Attempt(
        number=number,
        url=str(first["request"].fields["url"]) if "request" in first else "",
        began=events[0].at,
        connected=when.get("connected"),
        answered=when.get("response"),
        ended=events[-1].at,
        status=status,
        outcome=_outcome(events[-1], status),
        wire=wire,
        lanes=lanes,
        stalls=_stalls(reads, when.get("response")),
    )


def _outcome(last: Event, status: int | None) -> str:
    match last.name:
        case "error":
            return str(last.fields.get("message"))
        case "closed":
            return "gestura closed the connection"
        case "end":
            return "complete" if status is not None and 200 <= status < 300 else f"refused with {status}"
        case _:
            return "broken off"


def _stalls(reads: Iterable[Event], answered: float | None) -> list[tuple[float, float]]:
    """Between one read and the wish for the next."""
    stalls, before = [], answered
    for event in reads:
        asked = float(event.fields.get("asked", event.at))
        if before is not None and asked - before > STALL_SECONDS:
            stalls.append((before, asked))
        before = event.at
    return stalls


def _lanes(wire: str, reads: Sequence[Event], told: _Told) -> dict[str, list[Mark]]:
    provider = BUILTIN_PROVIDERS[wire](ProviderSettings(kind=wire, model=""))
    actors = stage_actors(provider, Limits())
    lanes: dict[str, list[Mark]] = {actor.name: [] for actor in actors}
    for event in [*reads, None]:  # the end of the body is the last
        at = event.at if event is not None else reads[-1].at
        batch: Sequence[Any] = [event.fields["data"]] if event is not None else []
        for actor in actors:
            try:
                batch = [*actor.stage.feed(batch), *(actor.stage.close() if event is None else ())]
            except ProtocolError as error:
                lanes[actor.name].append(Mark(at, type(error).__name__, str(error), 0))
                return lanes
            lanes[actor.name] += [_mark(item, at) for item in batch]
        for item in batch:
            told.note(item, at)
    return lanes


def _bytes_mark(event: Event) -> Mark:
    data: bytes = event.fields["data"]
    return Mark(event.at, "bytes", _cut(data.decode("utf-8", "replace")), len(data))


def _mark(item: object, at: float) -> Mark:
    words = item.data if isinstance(item, Frame) else _fields(item)
    return Mark(at, type(item).__name__, _cut(words), len(words))


def _fields(item: object) -> str:
    values = attrs.asdict(item, recurse=False) if attrs.has(type(item)) else {"": item}  # type: ignore[arg-type]
    shown = [value for value in values.values() if value not in (None, "", False, 0)]
    return shown[0] if len(shown) == 1 and isinstance(shown[0], str) else ", ".join(map(str, shown))


def _cut(words: str) -> str:
    return words if len(words) <= LONGEST_DETAIL else words[:LONGEST_DETAIL] + "…"
