"""A scenario: what a model means to say, and how the simulator sends it.

`steps` are in no provider's words; a voice puts them into a wire format, so what a decoder makes of the wire can be
compared with what was meant. Text, thinking and refusal are the chunks the user should receive in the end.
Faults are in `faults.py`; the same as a TOML file is in `scenario_files.py`.
"""

from __future__ import annotations

import re

import attrs
from attrs.validators import deep_iterable, ge, gt, optional

from gestura.chunks import FinishReason, Refusal, Text, Thinking
from gestura.simulator.faults import Fault
from gestura.usage import TokenUsage

__all__ = ["Comment", "Scenario", "Sending", "Step", "StreamError", "ToolCall"]


@attrs.frozen
class ToolCall:
    """The model calls a tool. `arguments` is JSON text, sent as it is, even where it is not valid JSON."""

    id: str
    name: str
    arguments: str = "{}"


@attrs.frozen
class StreamError:
    """The provider gives up inside a 200 response, with an error object; nothing follows it.

    Args:
        message: for a person.
        type: the provider's class of error.
        code: its own word for this error.
    """

    message: str
    type: str = "server_error"
    code: str | None = None


@attrs.frozen
class Comment:
    """A sign of life that says nothing, such as an SSE comment line."""

    text: str = ""


Step = Thinking | Text | Refusal | ToolCall | StreamError | Comment
"""One thing said. Neighbours of one kind stay apart on the wire, and are one to a reader."""


@attrs.frozen(kw_only=True)
class Sending:
    """How an answer is dealt out.

    Args:
        characters_per_event: how much text, thinking or arguments one event carries; `None` is a word.
        interval: seconds between events.
        cut_every: bytes per network write. Without cuts each event is a write of its own; with them, events share
            writes and are torn by them, unless an interval lies between.
        cuts: more offsets into the body at which a network write ends.
    """

    characters_per_event: int | None = attrs.field(default=None, validator=optional(gt(0)))
    interval: float = attrs.field(default=0.0, validator=ge(0))
    cut_every: int | None = attrs.field(default=None, validator=optional(gt(0)))
    cuts: tuple[int, ...] = attrs.field(default=(), validator=deep_iterable(ge(0)))

    def pieces(self, text: str) -> list[str]:
        """`text` cut into what the events carry; joined, it is `text` again.

        >>> Sending().pieces("It is sunny.")
        ['It', ' is', ' sunny.']
        >>> Sending(characters_per_event=5).pieces("It is sunny.")
        ['It is', ' sunn', 'y.']
        """
        if self.characters_per_event is None:
            return re.findall(r"\s*\S+|\s+\Z", text)
        step = self.characters_per_event
        return [text[start : start + step] for start in range(0, len(text), step)]


@attrs.frozen(kw_only=True)
class Scenario:
    """What the simulator answers to a request for `model`.

    Args:
        model: the name that requests ask for.
        steps: what is said, in order. A `StreamError` is the last.
        finish: why the model stops; `UNKNOWN` leaves it unsaid.
        usage: token counts, sent in the way the wire format sends them.
        end_marker: the wire format's own end (`[DONE]`) is sent.
        body: these bytes are sent instead of all the above: a recording.
        sending: pacing and cuts.
        faults: what goes wrong; those that strike at the same place do so in the order given.
        then: what later requests for the model meet, one after the other, the last of them for good; their own names
            do not matter.
        after_results: what is said instead of `steps` to a request that ends with results of tools; it then stops.
        fits_request: a text is JSON where the request has a JSON Schema for the answer, as small as fits it; a tool
            call is one of a tool that the request has, if it has any, with arguments of that one (so they are JSON).
    """

    model: str
    steps: tuple[Step, ...] = ()
    finish: FinishReason = FinishReason.STOP
    usage: TokenUsage | None = None
    end_marker: bool = True
    body: bytes | None = attrs.field(default=None, repr=False)
    sending: Sending = Sending()
    faults: tuple[Fault, ...] = ()
    then: tuple[Scenario, ...] = ()
    after_results: tuple[Step, ...] = ()
    fits_request: bool = False

    def __attrs_post_init__(self) -> None:
        if any(isinstance(step, StreamError) for step in self.steps[:-1]):
            raise ValueError("steps: nothing can follow an error")
