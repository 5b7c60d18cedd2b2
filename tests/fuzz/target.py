"""A coverage-guided fuzzer's target, for an environment with atheris: `python target.py NAME [OPTIONS] CORPUS`.

A wire format's name fuzzes its whole pipeline, with `mutations` beside libFuzzer's own changes; `sse` holds the framer
to the standard's own steps, and `refusal` the reading of HTTP errors to its type. An input that breaks a law is written
down by libFuzzer, and the run ends.
"""

from __future__ import annotations

import random
import sys
from datetime import UTC, datetime

import atheris

with atheris.instrument_imports(include=["gestura"]):
    from laws import KINDS, SMALL, obey
    from mutations import mutate

    from gestura.errors import Fault
    from gestura.limits import Limits
    from gestura.providers.faults import fault_of_response
    from gestura.stages.sse import SseFramer
    from gestura.testing import run_inline, split

from standard import as_the_standard_says

CONTROL_BYTES = 3
"""At the end of an input: how to run the pipeline, and where to cut."""

LIMITS = (Limits(), SMALL)


def pipeline(kind: str, data: bytes) -> None:
    """The laws, for the pipeline of a wire format."""
    wire, how = data[:-CONTROL_BYTES], data[-CONTROL_BYTES:].rjust(CONTROL_BYTES, b"\0")
    cuts = (how[1] * 7, how[2] * 31)
    obey(kind, wire, cuts, limits=LIMITS[how[0] & 1], raw=bool(how[0] & 2), starts_thinking=bool(how[0] & 4))


def sse(data: bytes) -> None:
    """Any bytes, cut anywhere, are the events that the standard says they are."""
    wire = data[1:]
    cuts = range(data[0] % 7, len(wire), data[0] % 7 + 1) if data else ()

    assert as_the_standard_says(wire) == run_inline(SseFramer(Limits()), ([read] for read in split(wire, cuts)))


def refusal(data: bytes) -> None:
    """Any body under any status and hint is a fault, with words and a time to wait that is one."""
    hint, _, body = data.partition(b"\n")
    headers = {"Retry-After": hint.decode("latin-1"), "Location": hint.decode("latin-1"), "Content-Type": "text/plain"}
    fault = fault_of_response("x", 200 + len(hint) * 7 % 400, headers, body, datetime(2026, 1, 1, tzinfo=UTC))

    assert isinstance(fault, Fault)
    assert fault.message
    assert fault.retry_after is None or 0 < fault.retry_after < float("inf")


def damage(data: bytes, max_size: int, seed: int) -> bytes:
    """A change that knows JSON and events, or one of libFuzzer's."""
    rng = random.Random(seed)
    if rng.random() < 0.5:
        return atheris.Mutate(data, max_size)
    return (mutate(data[:-CONTROL_BYTES], rng) + rng.randbytes(CONTROL_BYTES))[:max_size]


def main() -> None:
    """Fuzz what the first argument names."""
    name = sys.argv.pop(1)
    if name in KINDS:
        atheris.Setup(sys.argv, lambda data: pipeline(name, data), custom_mutator=damage)
    else:
        atheris.Setup(sys.argv, {"sse": sse, "refusal": refusal}[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
