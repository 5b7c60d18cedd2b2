"""A workload: what the replay server plays, and how many streams read it at once.

A client asks for it by the name of a model, the one thing that all clients send as they are told. Text goes round and
round through `TOKENS`. A paced event says instead when it was sent: `STAMP_DIGITS` digits of `time.monotonic_ns()`, a
clock that the processes of a machine share, in a text of fixed length, so that a client that joins the texts of several
events doesn't hide their times.

Clients import this: it is light, and brings nothing of what is measured.
"""

from __future__ import annotations

from itertools import cycle, islice
from typing import Final, Literal, get_args

import attrs

__all__ = ["ARGUMENT", "STAMPED_LENGTH", "STAMP_DIGITS", "TOKENS", "Kind", "Wire", "Workload"]

_TEXT: Final = (
    "The| sky| is| blue| because| air| scatters| short| waves| of| light| more| than| long| ones|:| Ray|leigh|"
    " found| that| the| scattered| share| grows| with| the| fourth| power| of| the| frequency|.|\n\n|-| At| noon|"
    ' you| look| through| "|little|"| air|,| so| blue| wins|;|\n|-| at| sunset| through| much|:| red| is| left|.|'
    " In| German| one| says| „|Abend|röte|”| 🌇|.|\n"
)
TOKENS: Final = tuple(_TEXT.split("|"))
"""What a model's tokens look like: short, some with what JSON escapes, some beyond ASCII."""


ARGUMENT: Final = "7"
"""What each fragment of a tool argument is: a digit is JSON, and so are ten million of them."""

STAMP_DIGITS: Final = 19
STAMPED_LENGTH: Final = 32

Kind = Literal["burst", "single", "paced", "arguments"]
"""As fast as possible in large writes; one write for each event; so many events a second; the same as the first, with
the arguments of a tool call, one character each, instead of text."""

Wire = Literal["openai_chat", "anthropic"]
"""The wire format, by gestura's name for it."""


@attrs.frozen(kw_only=True)
class Workload:
    """What is played.

    Args:
        kind: how events are sent.
        events: how many of them in each stream.
        streams: how many streams are read at once. Paced ones begin when all of them have asked.
        rate: events per second in each stream, where they are paced.
        asker: the process that asks; the paced streams of one process wait for each other, and for no other's.
    """

    kind: Kind
    events: int
    streams: int = 1
    rate: float = 0.0
    asker: int = 0

    @property
    def model(self) -> str:
        """The name by which a client asks for it."""
        return f"{self.kind}-{self.events}-{self.streams}-{self.rate:g}-{self.asker}"

    @classmethod
    def of_model(cls, model: str) -> Workload:
        """The workload that goes by this name.

        >>> Workload.of_model("paced-100-50-12.5-7")
        Workload(kind='paced', events=100, streams=50, rate=12.5, asker=7)
        """
        kind, events, streams, rate, asker = model.split("-")
        [known] = [each for each in get_args(Kind) if each == kind]
        return cls(kind=known, events=int(events), streams=int(streams), rate=float(rate), asker=int(asker))

    @property
    def seconds(self) -> float:
        """How long the server takes, where it is the server that sets the pace."""
        return self.events / self.rate if self.rate else 0.0

    @property
    def characters(self) -> int:
        """How many characters a client counts that has read all streams to their ends."""
        match self.kind:
            case "paced":
                each = STAMPED_LENGTH * self.events
            case "arguments":
                each = len(ARGUMENT) * self.events
            case _:
                each = sum(map(len, islice(cycle(TOKENS), self.events)))
        return each * self.streams
