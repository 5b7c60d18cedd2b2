"""Whatever is asked of a log, by publishers that are late, slow or dead: it does what a plain model does.

The model knows one stream, and nothing of time, processes or notices.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import attrs
from hypothesis import given
from hypothesis import strategies as st
from stores import Store, run

from gestura.relay.log import START, Log, Order, Position, RelayError, StreamState
from gestura.relay.work import WorkQueue

PEOPLE = ("anna", "bert")


@attrs.frozen
class Begin:
    """A new stream, or, with the state that was seen so many looks ago, the next term of it."""

    who: str
    seen: int | None


@attrs.frozen
class Append:
    """In a term that is the newest or older, from the next number or another one."""

    terms_ago: int
    numbers_ahead: int
    count: int
    ends: bool


@attrs.frozen
class EndFor:
    seen: int


@attrs.frozen
class Tell:
    order: Order


@attrs.frozen
class Beat:
    who: str


Step = Begin | Append | EndFor | Tell | Beat

people = st.sampled_from(PEOPLE)
seen = st.sampled_from([0, 0, 0, 1, 2])
rarely = st.sampled_from([False] * 9 + [True])  # most streams should go on for a while
steps = st.lists(
    st.builds(Begin, people, seen)
    | st.builds(Begin, people, st.none())
    | st.builds(Append, st.just(0), st.just(0), st.integers(1, 3), rarely)
    | st.builds(Append, st.just(0), st.integers(-2, 1), st.integers(0, 4), rarely)
    | st.builds(Append, st.just(1), st.integers(-2, 1), st.integers(0, 3), rarely)
    | st.builds(EndFor, st.sampled_from([0, 1, 1, 2, 2, 3, 3]))
    | st.builds(Tell, st.sampled_from(Order))
    | st.builds(Beat, people),
    min_size=6,
    max_size=20,
)


@attrs.define
class Model:
    """One stream, as plainly as can be: what each call leaves, and `True`, `False` or a name of an error."""

    publisher: str = ""
    term: int = 0
    ended: bool = False
    order: Order | None = None
    entries: list[tuple[Position, bytes]] = attrs.field(factory=list)
    beats: Counter[str] = attrs.field(factory=Counter)

    def state(self) -> StreamState | None:
        if not self.term:
            return None
        return StreamState(
            about=b"about",
            publisher=self.publisher,
            term=self.term,
            beat=self.beats[self.publisher],
            last=self.entries[-1][0] if self.entries else START,
            ended=self.ended,
            order=self.order,
        )

    def add(self, payloads: list[bytes], *, ends: bool) -> None:
        for payload in payloads:
            self.entries.append((Position(self.term, len(self.entries) + 1), payload))
        self.ended = ends

    def begin(self, who: str, instead_of: StreamState | None, *, anew: bool) -> object:
        if self.term and self.publisher == who and not self.ended:
            return True
        if anew:
            if self.term:
                return "StreamExists"
        elif not self.term or instead_of != self.state() or self.ended:
            return "PublicationLost"
        self.publisher, self.term = who, self.term + 1
        return True

    def append(self, term: int, first: int, payloads: list[bytes], *, ends: bool) -> object:
        fresh = payloads[max(0, len(self.entries) + 1 - first) :]
        if term != self.term or not self.term or first > len(self.entries) + 1 or (fresh and self.ended):
            return "PublicationLost"
        if fresh:
            self.add(fresh, ends=ends)
        return True

    def end_for(self, dead: StreamState) -> object:
        if not self.term:
            return "UnknownStream"
        if dead.ended or dead != self.state():
            return False
        self.term += 1
        self.add([b"lost"], ends=True)
        return True

    def tell(self, order: Order) -> object:
        if not self.term:
            return "UnknownStream"
        if not self.ended and self.order is not Order.CANCEL:
            self.order = order
        return True


NEVER = StreamState(about=b"about", publisher="nobody", term=1, beat=0)


async def asked(call: Any) -> object:
    try:
        result = await call
    except RelayError as error:
        return type(error).__name__
    return result if isinstance(result, bool) else True


async def do(step: Step, log: Log, model: Model, looks: list[StreamState]) -> tuple[object, object]:
    """What the model and the log say to a step."""

    def look(ago: int) -> StreamState:
        return looks[-1 - ago] if len(looks) > ago else NEVER

    match step:
        case Begin(who, ago):
            instead = None if ago is None else look(ago)
            call = log.begin("s", publisher=who, about=b"about", keep_seconds=60, instead_of=instead)
            return model.begin(who, instead, anew=instead is None), await asked(call)
        case Append(terms_ago, ahead, count, ends):
            term = max(model.term - terms_ago, 0)
            first = max(1, len(model.entries) + 1 + ahead)
            payloads = [f"{term}.{first + offset}".encode() for offset in range(count)]
            call = log.append("s", term=term, first=first, payloads=payloads, ends=ends)
            return model.append(term, first, payloads, ends=ends), await asked(call)
        case EndFor(ago):
            return model.end_for(look(ago)), await asked(log.end_for("s", dead=look(ago), payload=b"lost"))
        case Tell(order):
            return model.tell(order), await asked(log.order("s", order))
        case Beat(who):
            model.beats[who] += 1
            return True, await asked(log.beat(who))


@given(steps=steps)
def check(store: Store, steps: list[Step]) -> None:
    async def test(log: Log, _queue: WorkQueue) -> None:
        model = Model()
        looks: list[StreamState] = []
        for step in [Begin("anna", None), *steps]:
            expected, actual = await do(step, log, model, looks)

            assert expected == actual, step
            if (state := model.state()) is not None:
                assert state == await log.state("s")
                looks.append(state)
                found = await log.read("s", START, most=1000)
                assert model.entries == [(entry.position, entry.payload) for entry in found]

    run(store.fresh(), test)


def test_a_log_does_what_a_plain_model_does(store: Store) -> None:
    check(store)
