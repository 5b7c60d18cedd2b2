"""One stream, several providers: who is asked in which order, what the user is told, and the one ending."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import trio
from scripting import ANSWER, ENDINGS, answers, delta, event, provider, text
from timelines import Play, only, open_play, read, said, timeline
from trio.testing import MockClock

import gestura
from gestura import (
    AfterOutput,
    ContextOverflow,
    Done,
    Error,
    ErrorKind,
    Request,
    RetryAttempt,
    RetryPolicy,
    Status,
    Text,
    TokenUsage,
    Tool,
    assistant,
    user,
)
from gestura.conversation import GO_ON
from gestura.providers.openai_chat import OpenAIChat
from gestura.stages.deltas import Delta, Frame
from gestura.transport.scripted import Break, ScriptedExchange

BUSY = ScriptedExchange(status=503)
REFUSED = ScriptedExchange(status=400, body=[b'{"error": {"message": "no such field"}}'])
OK = answers(ANSWER)
BROKEN_TEXT = answers(text("Hel"), Break())
THREE: dict[str, Any] = {
    "fallback": ("b", "c"),
    "providers": {name: provider(name) for name in "abc"},
    "retry": RetryPolicy(max_attempts=1),
}
"""Three providers, each asked once."""

ONCE_EACH: dict[str, Any] = {"retry": RetryPolicy(max_attempts=1)}

# The order.


async def test_providers_are_asked_in_their_order_each_with_its_own_attempts(autojump_clock: MockClock) -> None:
    """The primary is asked three times, then the fallback is, and the user is told of the change."""
    play = Play(a=BUSY, b=[BUSY, OK])
    got = await timeline(play)

    assert [(0.0, "a"), (1.0, "a"), (3.0, "a"), (3.0, "b"), (4.0, "b")] == play.asked
    assert [RetryAttempt, RetryAttempt, Status, RetryAttempt, Text, Done] == [type(chunk) for _, chunk in got]
    assert [(3.0, Status("a failed; asking b instead"))] == [each for each in got if isinstance(each[1], Status)]
    assert "b" == got[-1][1].provider


async def test_any_number_of_fallbacks_is_asked(autojump_clock: MockClock) -> None:
    """Each change is told; the last one answers."""
    play = Play(a=REFUSED, b=REFUSED, c=OK)
    got = await timeline(play, **THREE)

    assert ["a", "b", "c"] == [name for _, name in play.asked]
    assert ["a failed; asking b instead", "b failed; asking c instead"] == [
        status.message for status in only(Status, got)
    ]


async def test_what_another_try_can_t_mend_goes_to_the_next_provider_at_once(autojump_clock: MockClock) -> None:
    """A refused request is not repeated: the fallback has it in the same moment."""
    play = Play(a=REFUSED, b=OK)
    await timeline(play)

    assert [(0.0, "a"), (0.0, "b")] == play.asked


async def test_a_provider_that_is_named_twice_is_asked_once(autojump_clock: MockClock) -> None:
    """A fallback that is the primary, too, is no other chance."""
    play = Play(a=REFUSED, b=REFUSED)
    await timeline(play, fallback=("b", "a", "b"))

    assert ["a", "b"] == [name for _, name in play.asked]


async def test_a_stream_may_begin_with_another_provider(autojump_clock: MockClock) -> None:
    """The one that is asked for comes first, then the fallbacks as configured."""
    play = Play(a=REFUSED, b=REFUSED, c=REFUSED)
    async with open_play(play, **THREE) as client:
        await read(client, provider="c")

    assert ["c", "b"] == [name for _, name in play.asked]


async def test_an_unconfigured_primary_is_passed_over_with_a_word(autojump_clock: MockClock) -> None:
    """The user is told what to configure, and the fallback answers."""
    play = Play(b=OK)
    got = await timeline(play, primary="absent")

    words = [status.message for status in only(Status, got)]
    assert 2 == len(words)
    assert words[0].startswith("LLM provider 'absent' is not configured: ")
    assert "absent failed; asking b instead" == words[1]
    assert [(0.0, "b")] == play.asked


async def test_the_fallback_gets_the_same_request_in_its_own_wire_format(autojump_clock: MockClock) -> None:
    """The schemas of the tools are written as the other provider has them, not lost."""
    schema = {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]}
    request = Request(
        messages=(user("How warm is it?"),),
        system="Be brief.",
        tools=(Tool(name="weather", description="The weather.", parameters=schema),),
    )
    play = Play(a=REFUSED, b=REFUSED)
    providers = {"a": provider("a"), "b": provider("b", kind="anthropic", api_key="key")}
    async with open_play(play, providers=providers) as client:
        await read(client, request)
    chat, messages = (json.loads(exchange.request.body) for exchange in play.exchanges)

    assert {"name": "weather", "description": "The weather.", "parameters": schema} == chat["tools"][0]["function"]
    assert ("weather", "The weather.", schema) == tuple(
        messages["tools"][0][field] for field in ("name", "description", "input_schema")
    )
    assert "How warm is it?" in json.dumps(messages["messages"])
    assert "Be brief." in json.dumps(messages["system"])


# The ending.


async def test_when_all_fail_one_error_names_each_provider_and_its_last_reason(autojump_clock: MockClock) -> None:
    """The reasons stand in the order of the asking; the fields are those of the last failure, attempts those of all."""
    told = ScriptedExchange(
        status=401, headers={"x-request-id": "req-7"}, body=[b'{"error": {"message": "no", "code": "invalid_api_key"}}']
    )
    play = Play(a=[BUSY, ScriptedExchange(status=500)], b=REFUSED, c=told)
    got = await timeline(play, **{**THREE, "retry": RetryPolicy(max_attempts=2, jitter=0)})
    endings = only(ENDINGS, got)

    assert 1 == len(endings)
    assert endings[0] == Error(
        "all providers failed: a /a/chat/completions HTTP 500: Internal Server Error; "
        "b /b/chat/completions HTTP 400: no such field; c /c/chat/completions HTTP 401: no",
        kind=ErrorKind.AUTHENTICATION,
        provider="c",
        status=401,
        code="invalid_api_key",
        request_id="req-7",
        attempts=4,
    )


async def test_an_overflow_ends_the_stream_at_once(autojump_clock: MockClock) -> None:
    """No other provider is asked: the conversation has to be shortened first."""
    too_long = ScriptedExchange(status=400, body=[b'{"error": {"message": "", "code": "context_length_exceeded"}}'])
    play = Play(a=too_long, b=OK)
    got = await timeline(play)

    assert [ContextOverflow] == [type(chunk) for _, chunk in got]
    assert [(0.0, "a")] == play.asked


async def test_a_failure_after_output_keeps_the_part_and_its_usage(autojump_clock: MockClock) -> None:
    """What was shown and counted before the stream broke is in the error."""
    counted = event(choices=[], usage={"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4})
    got = await timeline(Play(a=answers(text("Hel"), counted, Break()), b=OK))

    assert assistant("Hel") == got[-1][1].partial
    assert TokenUsage(input_tokens=3, output_tokens=1, total_tokens=4, provider="a", model="m") == got[-1][1].usage


async def test_usage_that_was_never_told_is_unknown(autojump_clock: MockClock) -> None:
    """Neither a broken answer nor a whole one invents zeros."""
    assert None is (await timeline(Play(a=BROKEN_TEXT)))[-1][1].usage
    assert None is (await timeline(Play(a=OK)))[-1][1].usage


async def test_a_complete_answer_is_not_spoiled_by_what_comes_after_it(autojump_clock: MockClock) -> None:
    """The connection breaks behind the answer's own end: done is done."""
    got = await timeline(Play(a=answers(ANSWER, Break())))

    assert [Text, Done] == [type(chunk) for _, chunk in got]


class CrashingDecoder:
    """A stage with a bug."""

    def feed(self, batch: Sequence[Frame]) -> list[Delta]:
        raise KeyError("a bug")

    def close(self) -> list[Delta]:
        return []


class Crashing(OpenAIChat):
    """A provider with a bug."""

    def decoder(self) -> Any:
        return CrashingDecoder()


async def test_a_crash_in_a_stage_ends_its_own_stream_alone(autojump_clock: MockClock) -> None:
    """The error names the stage; the client's other streams go on, and so does the client."""
    play = Play(a=OK, b=answers(text("Hel"), ANSWER))
    settings = gestura.StreamingConfig(
        primary="a", providers={"a": provider("a", kind="crashing"), "b": provider("b")}, fused=False
    )
    endings: dict[str, Any] = {}

    async def ask(name: str) -> None:
        endings[name] = (await read(client, provider=name))[-1][1]

    async with (
        gestura.open_client(settings, transport=play, providers={"crashing": Crashing}) as client,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(ask, "a")
        nursery.start_soon(ask, "b")

    assert (ErrorKind.INTERNAL, "the wire decoder crashed: KeyError: 'a bug'") == (
        endings["a"].kind,
        endings["a"].message.partition(": ")[2],
    )
    assert isinstance(endings["b"], Done)
    assert play.is_closed


# After output, with another provider.


async def test_restart_with_the_next_provider_discards_what_came(autojump_clock: MockClock) -> None:
    """The primary broke off for good; what it showed is discarded before the fallback's answer begins."""
    play = Play(a=BROKEN_TEXT, b=OK)
    got = await timeline(play, after_output=AfterOutput.RESTART, **ONCE_EACH)

    assert [Text("Hel"), True, Text("Hello")] == [
        chunk if isinstance(chunk, Text) else chunk.discard for chunk in only((Text, RetryAttempt), got)
    ]
    assert "Hello" == said(got)


async def test_continue_goes_on_with_the_next_provider(autojump_clock: MockClock) -> None:
    """The fallback is given what the primary said, and asked for the rest."""
    play = Play(a=BROKEN_TEXT, b=answers(text("lo"), ANSWER[len(text("Hello")) :]))
    got = await timeline(play, after_output=AfterOutput.CONTINUE, **ONCE_EACH)

    assert "Hello" == said(got)
    asked = [message["content"] for message in json.loads(play.bodies_to("b")[0])["messages"]]
    assert ["Hi", "Hel", GO_ON] == asked


async def test_a_refusal_inside_the_stream_after_output_may_start_over_elsewhere(autojump_clock: MockClock) -> None:
    """With `restart` the next provider is asked, where the same one can't do better."""
    refused = answers(text("Hel"), event(error={"message": "no", "type": "invalid_request_error"}))
    got = await timeline(Play(a=refused, b=OK), after_output=AfterOutput.RESTART)

    assert "Hello" == said(got)
    assert "b" == got[-1][1].provider


async def test_a_tool_call_ends_the_right_to_another_provider(autojump_clock: MockClock) -> None:
    """Not even a call that was only begun is made twice."""
    call = delta(tool_calls=[{"index": 0, "id": "call", "function": {"name": "look", "arguments": "{"}}])
    play = Play(a=answers(text("Hel"), call, Break()), b=OK)
    got = await timeline(play, after_output=AfterOutput.RESTART)

    assert isinstance(got[-1][1], Error)
    assert [(0.0, "a")] == play.asked
