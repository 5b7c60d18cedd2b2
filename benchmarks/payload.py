"""The bytes that are replayed: rendered once, by the simulator's voices, in the form that goes over the wire.

Each event is one HTTP chunk, as model servers send them.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import attrs

from benchmarks.workload import ARGUMENT, STAMP_DIGITS, STAMPED_LENGTH, TOKENS, Wire
from gestura.simulator import Scenario, Sending, Text, ToolCall
from gestura.simulator.voices import VOICES
from gestura.usage import TokenUsage

__all__ = ["Payload", "payload"]

_MARK: Final = "0" * STAMP_DIGITS
_HEAD: Final = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-cache\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)


@attrs.frozen
class Payload:
    """One answer, as it goes over the wire.

    Args:
        opening: the head of the response and the events before the first that is counted.
        cycle: the events that are counted, repeated as often as needed.
        before_stamp: the event that tells its time, up to the digits.
        after_stamp: the rest of that event.
        closing: the events after the last that is counted, and the end of the body.
    """

    opening: bytes
    cycle: tuple[bytes, ...]
    before_stamp: bytes
    after_stamp: bytes
    closing: bytes

    def stamped(self, nanoseconds: int) -> bytes:
        """The event that tells this time."""
        return b"%b%0*d%b" % (self.before_stamp, STAMP_DIGITS, nanoseconds, self.after_stamp)


@cache
def payload(wire: Wire, *, arguments: bool = False) -> Payload:
    """What is replayed in this wire format: text, or the arguments of a tool call."""
    pieces = (ARGUMENT,) if arguments else TOKENS
    answers = [_answer(wire, piece, arguments=arguments) for piece in (_MARK.ljust(STAMPED_LENGTH, "."), *pieces)]
    # All answers are alike but for one event, the one that says the piece.
    [place] = [index for index, events in enumerate(zip(*answers, strict=True)) if len(set(events)) > 1]
    stamped, *cycle = (_http_chunk(answer[place]) for answer in answers)
    before, after = stamped.split(_MARK.encode())
    return Payload(
        opening=_HEAD + b"".join(map(_http_chunk, answers[0][:place])),
        cycle=tuple(cycle),
        before_stamp=before,
        after_stamp=after,
        closing=b"".join(map(_http_chunk, answers[0][place + 1 :])) + _http_chunk(b""),
    )


def _answer(wire: Wire, piece: str, *, arguments: bool) -> list[bytes]:
    """The events of an answer that says one piece."""
    step = ToolCall(id="call_1", name="count", arguments=piece) if arguments else Text(piece)
    scenario = Scenario(
        model="replayed",
        steps=(step,),
        usage=TokenUsage(input_tokens=12, output_tokens=64),
        sending=Sending(characters_per_event=STAMPED_LENGTH),
    )
    return VOICES[wire].render(scenario, {"stream": True, "stream_options": {"include_usage": True}})


def _http_chunk(data: bytes) -> bytes:
    """One chunk of a chunked body; the empty one ends it (RFC 9112, section 7.1)."""
    return b"%x\r\n%b\r\n" % (len(data), data)
