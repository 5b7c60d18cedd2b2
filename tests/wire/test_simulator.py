"""The simulator says what was meant, deals it out as told, and fails on demand."""

import gc
import json
import math
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from itertools import accumulate
from pathlib import Path

import attrs
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from gestura.errors import ConfigError
from gestura.limits import Limits
from gestura.providers.openai_chat import ChatDecoder
from gestura.simulator import (
    BreakHttp,
    Comment,
    FinishReason,
    Garbage,
    HttpError,
    Outcome,
    Refusal,
    Reset,
    Scenario,
    Sending,
    Stall,
    StreamError,
    Text,
    Thinking,
    ToolCall,
    Truncate,
    built_in_scenarios,
    load_scenario,
    open_simulator,
    parse_scenario,
)
from gestura.simulator.plan import Ending, Head, Wait, Write, make_plan
from gestura.simulator.voices.openai_chat import OpenAIChatVoice
from gestura.stages.deltas import Finish, Terminal, ToolCallFragment, Usage
from gestura.stages.sse import SseFramer
from gestura.usage import TokenUsage

SCENARIOS = Path(__file__).parents[1] / "scenarios"
SPOKEN = Scenario(model="m", steps=(Text("one two three"),), usage=TokenUsage(input_tokens=1, output_tokens=3))


# A client that sees what HTTP hides: where writes end, and how the body ends.


@attrs.frozen
class Received:
    status: int
    headers: dict[str, str]
    writes: list[bytes]
    complete: bool
    reset: bool

    @property
    def body(self) -> bytes:
        return b"".join(self.writes)


async def connect(simulator, model="m", body=None):
    """A connection on which a request for `model` was just sent."""
    content = json.dumps({"model": model, **(body or {})}).encode() if not isinstance(body, bytes) else body
    host, port = simulator.url.removeprefix("http://").split(":")
    stream = await trio.open_tcp_stream(host, int(port))
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    await stream.send_all(head.encode() + content)
    return stream


async def receive_body_start(stream, size):
    """Read until at least `size` bytes are there."""
    received = b""
    while len(received) < size:
        received += await stream.receive_some()
    return received


async def ask(simulator, model="m", body=None) -> Received:
    async with await connect(simulator, model, body) as stream:
        raw, reset = b"", False
        try:
            async for some in stream:
                raw += some
        except trio.BrokenResourceError as error:
            reset = isinstance(error.__cause__, ConnectionResetError)
    return understand(raw, reset=reset)


def understand(raw: bytes, *, reset: bool) -> Received:
    head, _, rest = raw.partition(b"\r\n\r\n")
    status_line, *fields = head.decode().split("\r\n")
    headers = {name.lower(): value for name, value in (field.split(": ", 1) for field in fields)}
    status = int(status_line.split()[1]) if status_line else 0
    if headers.get("transfer-encoding") != "chunked":
        return Received(
            status, headers, [rest], complete=len(rest) == int(headers.get("content-length", -1)), reset=reset
        )
    writes = []
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        if int(size, 16) == 0:
            return Received(status, headers, writes, complete=True, reset=reset)
        writes.append(rest[: int(size, 16)])
        rest = rest[int(size, 16) + 2 :]
    return Received(status, headers, writes, complete=False, reset=reset)


def rendered(scenario, body=None):
    return OpenAIChatVoice().render(scenario, body or {})


# What is said.

counts = st.none() | st.integers(0, 10**9)
steps = st.one_of(
    st.builds(Thinking, st.text()),
    st.builds(Text, st.text()),
    st.builds(Refusal, st.text()),
    st.builds(ToolCall, st.text(min_size=1), st.text(min_size=1), st.text()),
    st.builds(Comment, st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\r\n"))),
)
scenarios = st.builds(
    Scenario,
    model=st.text(min_size=1),
    steps=st.lists(steps).map(tuple),
    finish=st.sampled_from([FinishReason.STOP, FinishReason.LENGTH, FinishReason.TOOL_CALLS]),
    usage=st.builds(
        TokenUsage,
        input_tokens=st.integers(0, 10**9),
        output_tokens=counts,
        total_tokens=counts,
        cached_input_tokens=counts,
        cache_write_tokens=counts,
        reasoning_tokens=counts,
    ),
    sending=st.builds(Sending, characters_per_event=st.none() | st.integers(1, 9)),
)


@given(scenarios)
def test_what_the_voice_says_is_what_the_decoder_hears(scenario):
    """Text, thinking, refusal, tool calls, finish reason, usage and the end are decoded as they were meant."""
    wire = rendered(scenario, {"stream_options": {"include_usage": True}})
    framer, decoder = SseFramer(Limits()), ChatDecoder()
    deltas = [*decoder.feed([*framer.feed(wire), *framer.close()]), *decoder.close()]

    def said(kind):
        return "".join(delta.text for delta in deltas if isinstance(delta, kind))

    def meant(kind):
        return "".join(step.text for step in scenario.steps if isinstance(step, kind))

    assert {kind: meant(kind) for kind in (Thinking, Text, Refusal)} == {
        kind: said(kind) for kind in (Thinking, Text, Refusal)
    }
    fragments = [delta for delta in deltas if isinstance(delta, ToolCallFragment)]
    calls = [step for step in scenario.steps if isinstance(step, ToolCall)]
    assert calls == [
        ToolCall(
            id="".join(f.id or "" for f in fragments if f.index == index),
            name="".join(f.name or "" for f in fragments if f.index == index),
            arguments="".join(f.arguments for f in fragments if f.index == index),
        )
        for index in range(len(calls))
    ]
    refused = meant(Refusal) and scenario.finish is FinishReason.STOP
    assert [FinishReason.REFUSAL if refused else scenario.finish] == [d.reason for d in deltas if isinstance(d, Finish)]
    (usage,) = (delta.usage for delta in deltas if isinstance(delta, Usage))
    assert scenario.usage == attrs.evolve(usage, provider=None, model=None)
    assert isinstance(deltas[-1], Terminal)


@given(st.text(), st.builds(Sending, characters_per_event=st.none() | st.integers(1, 9)))
def test_pieces_make_up_the_text(text, sending):
    """However a text is dealt out to events, they carry all of it, and none is empty."""
    pieces = sending.pieces(text)

    assert text == "".join(pieces)
    assert all(pieces)


def test_usage_is_told_only_when_asked_for():
    """Without `include_usage` no event has usage; with it, the last before `[DONE]` has no choices, the others null."""
    silent = [json.loads(event[6:]) for event in rendered(SPOKEN)[:-1]]
    asked = [json.loads(event[6:]) for event in rendered(SPOKEN, {"stream_options": {"include_usage": True}})[:-1]]

    assert all("usage" not in event for event in silent)
    assert [None] * len(silent) == [event["usage"] for event in asked[:-1]]
    assert ([], {"prompt_tokens": 1, "completion_tokens": 3}) == (asked[-1]["choices"], asked[-1]["usage"])


def test_an_error_in_the_stream_is_the_last_event():
    """After an error object comes no finish reason, no usage and no `[DONE]`."""
    scenario = attrs.evolve(SPOKEN, steps=(Text("one"), StreamError("Lost.", code="lost")))

    assert (
        b'data: {"error":{"message":"Lost.","type":"server_error","param":null,"code":"lost"}}\n\n'
        == (rendered(scenario, {"stream_options": {"include_usage": True}})[-1])
    )


def test_nothing_can_be_meant_after_an_error():
    """A scenario that goes on after an error is refused when it is made."""
    with pytest.raises(ValueError, match="nothing can follow an error"):
        Scenario(model="m", steps=(StreamError("Lost."), Text("Found!")))


@pytest.mark.parametrize(
    ("changes", "missing"),
    [({"end_marker": False}, b"[DONE]"), ({"finish": FinishReason.UNKNOWN}, b'"finish_reason":"')],
)
def test_the_end_can_be_left_unsaid(changes, missing):
    """A scenario can do without the end marker, or without a finish reason."""
    assert missing in b"".join(rendered(SPOKEN))
    assert missing not in b"".join(rendered(attrs.evolve(SPOKEN, **changes)))


async def test_the_official_client_understands_it():
    """The `openai` package reads the built-in answers as it reads OpenAI's."""
    import openai

    def read(url, model):
        with openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
            question = [{"role": "user", "content": "Hm?"}]
            with client.chat.completions.stream(
                model=model, messages=question, stream_options={"include_usage": True}
            ) as stream:
                return stream.get_final_completion()

    unhurried = [attrs.evolve(scenario, sending=Sending()) for scenario in built_in_scenarios()]
    async with open_simulator(unhurried) as simulator:
        thinking = await trio.to_thread.run_sync(read, simulator.url, "thinking")
        tools = await trio.to_thread.run_sync(read, simulator.url, "tools")

    assert thinking.choices[0].message.content.startswith("Because air scatters")
    assert thinking.choices[0].message.model_extra["reasoning_content"].startswith("They ask")
    assert thinking.usage.completion_tokens_details.reasoning_tokens == 27
    assert ["Oslo", "Lima"] == [
        json.loads(call.function.arguments)["city"] for call in tools.choices[0].message.tool_calls
    ]
    assert tools.choices[0].finish_reason == "tool_calls"


# How it is dealt out: plans.

events = st.lists(st.binary(min_size=1, max_size=12), max_size=8)


@given(
    events, st.builds(Sending, cut_every=st.none() | st.integers(1, 9), cuts=st.lists(st.integers(0, 99)).map(tuple))
)
def test_cuts_lose_nothing_and_fall_where_told(events, sending):
    """The writes make up the body, and end at the cuts; without cuts, at the ends of the events."""
    body = b"".join(events)
    head, *writes, ending = make_plan(events, sending, ())
    ends = [0, *accumulate(len(write.data) for write in writes)]
    wanted = {*sending.cuts, *range(0, len(body), sending.cut_every or len(body) + 1)}
    if not (sending.cuts or sending.cut_every):
        wanted = set(accumulate(map(len, events)))

    assert (Head(), Ending.COMPLETE) == (head, ending)
    assert body == b"".join(write.data for write in writes)
    assert sorted({0, len(body)} | {cut for cut in wanted if cut < len(body)}) == ends


@pytest.mark.parametrize(
    ("sending", "faults", "plan"),
    [
        (Sending(interval=2), [], [Head(), Write(b"abc"), Wait(2), Write(b"de"), Ending.COMPLETE]),
        (
            Sending(interval=2, cuts=(1,)),
            [],
            [Head(), Write(b"a"), Write(b"bc"), Wait(2), Write(b"de"), Ending.COMPLETE],
        ),
        (Sending(), [Reset()], [Ending.RESET]),
        (Sending(), [Stall(), Reset()], [Wait(math.inf)]),
        (Sending(), [Stall(seconds=1)], [Wait(1), Head(), Write(b"abc"), Write(b"de"), Ending.COMPLETE]),
        (Sending(), [Reset(after_bytes=0)], [Head(), Ending.RESET]),
        (Sending(), [Reset(after_bytes=2)], [Head(), Write(b"ab"), Ending.RESET]),
        (Sending(interval=2), [Reset(after_events=1)], [Head(), Write(b"abc"), Ending.RESET]),
        (Sending(), [Truncate(after_bytes=4)], [Head(), Write(b"abc"), Write(b"d"), Ending.COMPLETE]),
        (Sending(), [BreakHttp(after_events=9)], [Head(), Write(b"abc"), Write(b"de"), Ending.BREAK_HTTP]),
        (
            Sending(),
            [Stall(after_bytes=1, seconds=1), Garbage(after_bytes=1, data=b"!"), Truncate(after_bytes=1)],
            [Head(), Write(b"a"), Wait(1), Write(b"!"), Ending.COMPLETE],
        ),
    ],
)
def test_plans(sending, faults, plan):
    """Faults strike where told, in the order told, before pacing; a place beyond the end is the end."""
    assert plan == make_plan([b"abc", b"de"], sending, faults)


# Scenario files.


def test_a_file_says_what_the_classes_say():
    """Every kind of step and fault can be written in TOML."""
    talker = load_scenario(SCENARIOS / "spoken.toml")
    unlucky = load_scenario(SCENARIOS / "unlucky.toml")

    assert talker == Scenario(
        model="talker",
        steps=(
            Thinking("Hm. "),
            Comment("keep-alive"),
            Text("Grüße aus 東京!"),
            Refusal("No."),
            ToolCall("call_1", "wave", '{"hands": 2}'),
            StreamError("Lost the thread.", code="lost"),
        ),
        finish=FinishReason.LENGTH,
        usage=TokenUsage(input_tokens=3, output_tokens=5),
        end_marker=False,
        sending=Sending(characters_per_event=2, interval=0.5, cut_every=7, cuts=(1, 2)),
    )
    assert unlucky == Scenario(
        model="unlucky",
        steps=(Text("I was about to say"),),
        faults=(
            HttpError(status=429, headers={"Retry-After": "2"}, body="slow down", times=1),
            Stall(after_events=1, seconds=2),
            Stall(after_events=2),
            Garbage(after_bytes=3, data=b"\xff\x00"),
            Garbage(after_bytes=3, data="ü".encode()),
            Truncate(after_bytes=9),
            BreakHttp(after_events=3),
            Reset(),
        ),
    )


def test_a_file_says_what_later_requests_meet():
    """They need no names of their own."""
    first = parse_scenario('steps = [{ text = "a" }]\nthen = [{ steps = [{ text = "b" }] }, {}]', name="m.toml")

    assert (
        Scenario(model="m", steps=(Text("a"),), then=(Scenario(model="", steps=(Text("b"),)), Scenario(model="")))
        == first
    )


@pytest.mark.parametrize(
    ("toml", "complaint"),
    [
        ("steps = [", "Invalid value"),
        ("colour = 'red'", "unknown key colour @ scenario"),
        ("steps = [{ text = 'a' }, { shout = 'b' }]", "one key of thinking, text, .* @ scenario.steps\\[1\\]"),
        ("steps = [{ text = 'a', thinking = 'b' }]", "one key of .* @ scenario.steps\\[0\\]"),
        ("steps = [{ text = 5 }]", "text: expected a table, not int @ scenario.steps\\[0\\]"),
        ("steps = [{ tool_call = 'wave' }]", "tool_call: expected a table, not str @ scenario.steps\\[0\\]"),
        ("steps = [{ tool_call = { id = 'a' } }]", "required field missing @ scenario.steps\\[0\\].name"),
        ("finish = 'tired'", "'tired' is not a valid FinishReason @ scenario.finish"),
        ("sending = { interval = 'fast' }", "expected float, not str @ scenario.sending.interval"),
        ("sending = { cut_every = true }", "expected int, not bool @ scenario.sending.cut_every"),
        ("sending = { cut_every = 0 }", "'cut_every' must be > 0.* @ scenario.sending"),
        ("faults = [{ truncate = {} }]", "after_bytes or after_events is needed.* @ scenario.faults\\[0\\]"),
        ("faults = [{ stall = { after_bytes = 1, after_events = 1 } }]", "one of the two @ scenario.faults\\[0\\]"),
        (
            "faults = [{ garbage = { after_bytes = 1, data = [256] } }]",
            "range\\(0, 256\\) @ scenario.faults\\[0\\].data",
        ),
        ("usage = { tokens = 1 }", "unknown key tokens @ scenario.usage"),
    ],
)
def test_a_wrong_file_is_told_what_is_wrong(toml, complaint):
    """A file that is no scenario raises ConfigError with the file, the field and what is wrong with it."""
    with pytest.raises(ConfigError, match=f"^odd.toml: .*{complaint}"):
        parse_scenario(toml, name="odd.toml")


def test_every_built_in_scenario_loads():
    """The scenarios that the demo and the docs name are there."""
    assert {"hello", "thinking", "tools", "usage", "broken", "flaky"} < {s.model for s in built_in_scenarios()}


# Over real HTTP.


@pytest.mark.parametrize(
    "sending", [Sending(), Sending(cut_every=1), Sending(cuts=(3, 5, 300)), Sending(cut_every=10**6)]
)
async def test_bytes_arrive_as_rendered_and_cut(sending):
    """A client receives the voice's bytes, each planned write as an HTTP chunk of its own."""
    scenario = attrs.evolve(SPOKEN, sending=sending)
    async with open_simulator([scenario]) as simulator:
        received = await ask(simulator)

    writes = [action.data for action in make_plan(rendered(scenario), sending, ()) if isinstance(action, Write)]
    assert writes == received.writes
    assert (200, True) == (received.status, received.complete)
    assert received.headers["content-type"] == "text/event-stream; charset=utf-8"


async def test_a_recording_is_sent_byte_for_byte():
    """A scenario with a body of its own sends that and nothing else, whatever bytes they are."""
    recording = bytes(range(256)) * 3
    async with open_simulator([Scenario(model="m", body=recording)]) as simulator:
        received = await ask(simulator)

    assert recording == received.body


async def test_an_interval_lies_between_events():
    """Pacing takes at least the interval times the events less one."""
    scenario = attrs.evolve(SPOKEN, sending=Sending(interval=0.01))
    async with open_simulator([scenario]) as simulator:
        started = time.monotonic()
        received = await ask(simulator)
        took = time.monotonic() - started

    assert b"".join(rendered(scenario)) == received.body
    assert took >= 0.01 * (len(rendered(scenario)) - 1)


@pytest.mark.parametrize("size", [100, 3_000_000])
async def test_a_reset_is_a_reset(size):
    """The client reads exactly what came before the reset, then ECONNRESET."""
    scenario = Scenario(model="m", body=b"abcdefg\n" * 500_000, faults=(Reset(after_bytes=size),))
    async with open_simulator([scenario]) as simulator:
        received = await ask(simulator)

        assert (size, True) == (len(received.body), received.reset)
        assert scenario.body.startswith(received.body)
        assert (Outcome.SENT, size) == (await simulator.requests[0].ended(), simulator.requests[0].bytes_sent)


async def test_a_reset_can_come_before_the_head():
    """A connection can be reset before any byte of a response."""
    async with open_simulator([attrs.evolve(SPOKEN, faults=(Reset(),))]) as simulator:
        received = await ask(simulator)

    assert (0, b"", True) == (received.status, received.body, received.reset)


async def test_a_truncated_answer_is_complete_http():
    """Truncation ends the body early with HTTP's own last chunk."""
    async with open_simulator([attrs.evolve(SPOKEN, faults=(Truncate(after_events=2),))]) as simulator:
        received = await ask(simulator)

    assert (b"".join(rendered(SPOKEN)[:2]), True) == (received.body, received.complete)


@pytest.mark.parametrize(("fault", "events"), [(BreakHttp(after_events=2), 2), (BreakHttp(), 0)])
async def test_broken_http_lacks_its_last_chunk(fault, events):
    """A broken response is closed without a reset, and HTTP can tell that it isn't complete."""
    async with open_simulator([attrs.evolve(SPOKEN, faults=(fault,))]) as simulator:
        received = await ask(simulator)

    assert b"".join(rendered(SPOKEN)[:events]) == received.body
    assert (False, False) == (received.complete, received.reset)


async def test_garbage_comes_between():
    """Garbage is put between the bytes of the answer, which goes on after it."""
    async with open_simulator([attrs.evolve(SPOKEN, faults=(Garbage(after_bytes=7, data=b"\xff"),))]) as simulator:
        received = await ask(simulator)

    body = b"".join(rendered(SPOKEN))
    assert body[:7] + b"\xff" + body[7:] == received.body


async def test_a_stall_ends():
    """After a stall of some seconds the answer goes on."""
    async with open_simulator([attrs.evolve(SPOKEN, faults=(Stall(after_bytes=7, seconds=0.05),))]) as simulator:
        started = time.monotonic()
        received = await ask(simulator)

    assert b"".join(rendered(SPOKEN)) == received.body
    assert time.monotonic() - started >= 0.05


async def test_a_client_that_leaves_is_seen_to_leave():
    """A stream that stalls for ever ends when its client leaves, and the record says so."""
    async with open_simulator([attrs.evolve(SPOKEN, faults=(Stall(after_bytes=7),))]) as simulator:
        async with await connect(simulator) as stream:
            await receive_body_start(stream, 7)
        (seen,) = simulator.requests
        with trio.fail_after(10):
            outcome = await seen.ended()

    assert (Outcome.CLIENT_LEFT, 7) == (outcome, seen.bytes_sent)


async def test_later_requests_may_meet_something_else():
    """One after the other, each with its faults; the last for good."""
    later = (
        Scenario(model="", steps=(Text("two"),), faults=(HttpError(status=503, times=1),)),
        Scenario(model="any", steps=(Text("three"),), faults=(HttpError(status=429, times=2),)),
    )
    async with open_simulator([attrs.evolve(SPOKEN, then=later)]) as simulator:
        received = [await ask(simulator) for _ in range(6)]

    assert [200, 503, 429, 429, 200, 200] == [each.status for each in received]
    assert [b"one" in received[0].body, b"three" in received[4].body, b"three" in received[5].body] == [True] * 3
    assert b'"model":"m"' in received[5].body.replace(b" ", b"")


async def test_faults_can_pass():
    """A fault with `times` strikes that many requests; then the answer comes."""
    faults = (HttpError(status=503, headers={"retry-after": "1"}, times=1), HttpError(status=429, times=2))
    async with open_simulator([attrs.evolve(SPOKEN, faults=faults)]) as simulator:
        received = [await ask(simulator) for _ in range(4)]

    assert [503, 429, 200, 200] == [answer.status for answer in received]
    assert received[0].headers["retry-after"] == "1"
    assert json.loads(received[1].body)["error"] == {
        "message": "The simulator was told to fail.",
        "type": "rate_limit_error",
        "param": None,
        "code": None,
    }


async def test_an_http_error_may_be_anything():
    """Status, headers and body are free: a 200 with a web page too."""
    page = HttpError(status=200, headers={"content-type": "text/html"}, body="<h1>Welcome to the Wi-Fi</h1>")
    async with open_simulator([attrs.evolve(SPOKEN, faults=(page,))]) as simulator:
        received = await ask(simulator)

    assert (200, "text/html") == (received.status, received.headers["content-type"])
    assert received.body == b"<h1>Welcome to the Wi-Fi</h1>"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [({"model": "nobody"}, 404, "model_not_found"), ({"model": ["m"]}, 404, "model_not_found"), (b"{", 400, None)],
)
async def test_a_request_that_has_no_scenario_is_refused(body, status, code):
    """An unknown model and a body that isn't JSON get OpenAI's error object."""
    async with open_simulator([SPOKEN]) as simulator:
        received = await ask(simulator, body=body)

    assert (status, code) == (received.status, json.loads(received.body)["error"]["code"])


async def test_a_refusal_lists_the_models_there_are():
    """Whoever asks for another one can read what to ask for."""
    async with open_simulator([SPOKEN]) as simulator:
        received = await ask(simulator, body={"model": "nobody"})

    expected = "The model `nobody` does not exist. The simulator has: m."
    assert expected == json.loads(received.body)["error"]["message"]


async def test_requests_are_recorded():
    """A record holds the request, and how many bytes of the body went out; its repr shows no header and no body."""
    async with open_simulator([SPOKEN]) as simulator:
        received = await ask(simulator, body={"prompt": "sesame"})
        (seen,) = simulator.requests

        assert ("POST", "/v1/chat/completions") == (seen.method, seen.path)
        assert ({"model": "m", "prompt": "sesame"}, "x") == (seen.body, seen.headers["hOST"])
        assert (await seen.ended(), len(received.body)) == (Outcome.SENT, seen.bytes_sent)
        assert "sesame" not in repr(seen)


# The server as a whole.


async def test_a_client_that_does_not_read_stops_the_sending():
    """What the server has sent stays near what the client has read."""
    body = bytes(64 * 1024 * 1024)
    flood = Scenario(model="m", body=body, sending=Sending(cut_every=64 * 1024))
    async with open_simulator([flood]) as simulator:
        async with await connect(simulator) as stream:
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
            await receive_body_start(stream, 100_000)
            (seen,) = simulator.requests
        with trio.fail_after(10):
            outcome = await seen.ended()

    assert outcome is Outcome.CLIENT_LEFT
    assert seen.bytes_sent < 2 * 1024 * 1024


@pytest.mark.parametrize(
    "scenario",
    [
        attrs.evolve(SPOKEN, faults=(Stall(after_bytes=7),)),
        Scenario(model="m", body=bytes(64 * 1024 * 1024)),
    ],
    ids=["hanging", "client does not read"],
)
async def test_shutting_down_is_prompt(scenario):
    """Leaving the block ends hanging answers, resets their connections and closes the port."""
    with trio.fail_after(5):
        async with open_simulator([scenario]) as simulator:
            stream = await connect(simulator)
            await receive_body_start(stream, 7)
        async with stream:
            assert simulator.requests[0].outcome is Outcome.STOPPED
            with pytest.raises(OSError):
                await connect(simulator)


async def test_an_exception_in_the_block_comes_out_bare():
    """What the block raises is what the caller gets, and the simulator is gone."""
    with pytest.raises(ZeroDivisionError):
        async with open_simulator([SPOKEN]):
            raise ZeroDivisionError


async def test_cancelling_the_block_closes_the_simulator():
    """A cancelled block leaves no server behind."""
    with trio.CancelScope() as scope:
        async with open_simulator([SPOKEN]) as simulator:
            scope.cancel()
            await trio.lowlevel.checkpoint()

    assert scope.cancelled_caught
    with pytest.raises(OSError):
        await connect(simulator)


async def test_a_taken_port_is_an_error():
    """A port that is in use raises OSError when the simulator opens."""
    async with open_simulator([SPOKEN]) as simulator:
        port = int(simulator.url.rpartition(":")[2])
        with pytest.raises(OSError):
            async with open_simulator([SPOKEN], port=port):
                pass


async def test_it_runs_beside_trio_asyncio():
    """The server has a loop of its own, also where trio-asyncio has made the process's loops its own."""
    import trio_asyncio

    async with trio_asyncio.open_loop(), open_simulator([SPOKEN]) as simulator:
        received = await ask(simulator)

    assert received.complete


async def test_who_connects_in_the_last_moment_is_hung_up_on():
    """No connection outlives the simulator, however short before its end it came: pytest tells of what does."""
    for _ in range(20):
        async with open_simulator([SPOKEN]) as simulator:
            port = int(simulator.url.rpartition(":")[2])
            clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(3)]
        for client in clients:
            with client, suppress(ConnectionResetError):
                assert b"" == client.recv(1)
    gc.collect()


def test_the_command_serves_until_interrupted():
    """`run` tells its URL, and ends without an error at Ctrl-C."""
    program = "from gestura.simulator import run; run(announce=lambda it: print(it.url, *it.models, flush=True))"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        announcement = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        code = process.wait(timeout=30)

    assert (True, 0) == (announcement.startswith("http://127.0.0.1:"), code)
    assert "hello" in announcement
