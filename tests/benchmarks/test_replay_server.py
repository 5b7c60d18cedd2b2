"""The replay server sends what it says it sends: the fixture that every figure stands on."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from itertools import cycle, islice
from typing import Any, get_args
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.clients.events import PATHS
from benchmarks.measuring import replay_server
from benchmarks.payload import payload
from benchmarks.workload import STAMP_DIGITS, STAMPED_LENGTH, TOKENS, Kind, Wire, Workload
from gestura.chunks import Done, Text, ToolCallArgs
from gestura.config import ProviderSettings
from gestura.providers import BUILTIN_PROVIDERS
from gestura.testing.replay import replay

EACH_WIRE = pytest.mark.parametrize("wire", get_args(Wire))


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Host and port of a running server."""
    with replay_server(print) as server:
        yield urlsplit(server.urls["http"]).netloc


def request(wire: Wire, workload: Workload) -> tuple[str, str, str]:
    """Method, path and body."""
    return "POST", PATHS[wire], json.dumps({"model": workload.model, "stream": True})


def ask(address: str, wire: Wire, *workloads: Workload) -> list[bytes]:
    """The bodies of answers, asked for one after another over one connection."""
    with closing(http.client.HTTPConnection(address)) as connection:
        bodies = []
        for workload in workloads:
            connection.request(*request(wire, workload))
            bodies.append(connection.getresponse().read())
        return bodies


def said(wire: Wire, body: bytes) -> tuple[str, Any]:
    """The text or the arguments of an answer, and its ending."""
    provider = BUILTIN_PROVIDERS[wire](ProviderSettings(kind=wire, model="any"))
    *chunks, ending = replay([body], provider)
    words = [chunk.text for chunk in chunks if isinstance(chunk, Text)]
    return "".join(words + [chunk.fragment for chunk in chunks if isinstance(chunk, ToolCallArgs)]), ending


@EACH_WIRE
@pytest.mark.parametrize("kind", ["burst", "single"])
@pytest.mark.parametrize("events", [1, len(TOKENS) - 1, 5_000])
def test_the_text_is_there_to_the_last_character(address: str, wire: Wire, kind: Kind, events: int) -> None:
    """An answer is complete in its wire format, and has as many events, and as much text, as was asked for."""
    workload = Workload(kind=kind, events=events)
    text, ending = said(wire, *ask(address, wire, workload))

    assert "".join(islice(cycle(TOKENS), events)) == text
    assert workload.characters == len(text)
    assert isinstance(ending, Done)


@EACH_WIRE
def test_arguments_are_one_call(address: str, wire: Wire) -> None:
    """The arguments come in fragments of one character, and are JSON."""
    workload = Workload(kind="arguments", events=1_000)
    arguments, ending = said(wire, *ask(address, wire, workload))

    assert workload.characters == len(arguments) == 1_000
    assert json.loads(arguments)
    assert isinstance(ending, Done)


@EACH_WIRE
def test_a_paced_event_tells_when_it_was_sent(address: str, wire: Wire) -> None:
    """The times lie between the request and the answer's end, in order, and the last is not sent before it is due."""
    workload = Workload(kind="paced", events=20, rate=200.0)
    before = time.monotonic_ns()
    text, _ = said(wire, *ask(address, wire, workload))
    stamps = [int(text[start : start + STAMP_DIGITS]) for start in range(0, len(text), STAMPED_LENGTH)]

    assert workload.events == len(stamps)
    assert stamps == sorted(stamps)
    assert before < stamps[0]
    assert stamps[-1] < time.monotonic_ns()
    assert (stamps[-1] - before) / 1e9 >= (workload.events - 1) / workload.rate


def test_paced_streams_begin_together(address: str) -> None:
    """No stream of a paced workload has an event before all have asked, and have the head of their answer."""
    workload = Workload(kind="paced", events=2, streams=3, rate=100.0)
    with ExitStack() as stack:
        responses = []
        for _ in range(workload.streams):
            connection = stack.enter_context(closing(http.client.HTTPConnection(address)))
            last_asked = time.monotonic_ns()
            connection.request(*request("openai_chat", workload))
            responses.append(connection.getresponse())
        texts = [said("openai_chat", response.read())[0] for response in responses]

    assert all(int(text[:STAMP_DIGITS]) > last_asked for text in texts)


def test_a_connection_serves_one_request_after_another(address: str) -> None:
    """Connections are kept, as those of model servers are."""
    workload = Workload(kind="burst", events=10)
    first, second = ask(address, "openai_chat", workload, workload)

    assert first == second


@EACH_WIRE
def test_a_stamped_event_is_as_long_as_any_other_of_its_kind(wire: Wire) -> None:
    """The time changes no length, so the HTTP chunk around it can be rendered before."""
    rendered = payload(wire)

    assert len(rendered.stamped(1)) == len(rendered.stamped(10**STAMP_DIGITS - 1))


@given(
    st.builds(
        Workload,
        kind=st.sampled_from(get_args(Kind)),
        events=st.integers(0, 10**7),
        streams=st.integers(1, 2000),
        rate=st.integers(0, 10_000).map(float),
        asker=st.integers(0, 2**22),
    )
)
def test_a_workload_goes_by_the_name_of_a_model(workload: Workload) -> None:
    """What is asked for by name is what is played."""

    assert workload == Workload.of_model(workload.model)
