"""OpenAI's interface over real sockets, asked by the official `openai` package."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
import trio
from services import LONG, SCENARIOS, ask, asked, serving

from gestura.chunks import Text
from gestura.serve_settings import ServeSettings
from gestura.simulator import HttpError, Outcome, Scenario, Stall, StreamError

if TYPE_CHECKING:
    from openai import OpenAI

pytestmark = pytest.mark.timeout(60)

HI = [{"role": "user", "content": "Hi"}]
WEATHER = {
    "type": "function",
    "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}


def client_of(port: int, key: str = "any") -> OpenAI:
    import openai

    return openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key=key, max_retries=0, timeout=20)


async def told(port: int, ask_it: Callable[[OpenAI], Any]) -> Any:
    """What the package makes of it, in a thread of its own."""

    def call() -> Any:
        with client_of(port) as client:
            return ask_it(client)

    return await trio.to_thread.run_sync(call)


async def test_a_whole_answer() -> None:
    """Text, finish reason and token counts."""
    async with serving() as world:
        answer = await told(world.port, lambda client: client.chat.completions.create(model="hello", messages=HI))

        assert "Hello, world!" == answer.choices[0].message.content
        assert "stop" == answer.choices[0].finish_reason
        assert (7, 9, 16) == (
            answer.usage.prompt_tokens,
            answer.usage.completion_tokens,
            answer.usage.total_tokens,
        )


async def test_a_streamed_answer() -> None:
    """The role first, then text as it comes, then why it stopped, and what it took where that was asked for."""

    def stream(client: OpenAI) -> Any:
        options = {"include_usage": True}
        return list(client.chat.completions.create(model="sim/hello", messages=HI, stream=True, stream_options=options))

    async with serving() as world:
        events = await told(world.port, stream)

        deltas = [event.choices[0].delta for event in events if event.choices]
        assert "assistant" == deltas[0].role
        assert "Hello, world!" == "".join(delta.content or "" for delta in deltas)
        assert "stop" == events[-2].choices[0].finish_reason
        assert ([], 16) == (events[-1].choices, events[-1].usage.total_tokens)


async def test_tool_calls_and_reasoning() -> None:
    """The package's own helper puts the calls together; reasoning comes beside them."""

    def stream(client: OpenAI) -> Any:
        with client.chat.completions.stream(model="sim/tools", messages=HI, tools=[WEATHER]) as chunks:
            return chunks.get_final_completion()

    async with serving() as world:
        streamed = await told(world.port, stream)
        whole = await told(
            world.port, lambda client: client.chat.completions.create(model="sim/tools", messages=HI, tools=[WEATHER])
        )

        for answer in (streamed, whole):
            message = answer.choices[0].message
            calls = [(call.id, call.function.name, call.function.arguments) for call in message.tool_calls]
            assert [
                ("call_1", "get_weather", '{"city": "Oslo"}'),
                ("call_2", "get_weather", '{"city": "Lima"}'),
            ] == calls
            assert "I look." == message.content
        assert "Let me see." == whole.choices[0].message.reasoning_content
        assert "get_weather" == world.simulator.requests[0].body["tools"][0]["function"]["name"]


async def test_a_conversation_arrives_as_it_was_sent() -> None:
    """Instructions, pictures, calls, results, a format, sampling: the provider is told what OpenAI would be."""
    call = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Oslo"}'}}
    sent: list[Any] = [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": "data:image/gif;base64,R0lGOA=="}},
            ],
        },
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "clear"},
    ]
    schema = {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"]}
    options: dict[str, Any] = {
        "response_format": {"type": "json_schema", "json_schema": {"name": "it", "schema": schema, "strict": True}},
        "tools": [WEATHER],
        "tool_choice": "auto",
        "temperature": 0.5,
        "max_completion_tokens": 99,
        "seed": 7,
        "stop": ["END"],
        "reasoning_effort": "low",
    }
    async with serving() as world:
        await told(world.port, lambda client: client.chat.completions.create(model="hello", messages=sent, **options))
        body = world.simulator.requests[0].body

    assert {"messages": sent, **options} == {name: body[name] for name in ("messages", *options)}


async def test_models() -> None:
    """The list, and one of it; every name of the list can be asked."""
    async with serving() as world:
        names = [each.id for each in await told(world.port, lambda client: client.models.list())]

        assert ["sim/hello"] == names
        assert "sim" == (await told(world.port, lambda client: client.models.retrieve("sim/hello"))).owned_by
        answer = await told(world.port, lambda client: client.chat.completions.create(model=names[0], messages=HI))
        assert "sim/hello" == answer.model


@pytest.mark.parametrize("stream", [False, True])
async def test_failures_before_the_first_word_have_their_status(stream: bool) -> None:
    """The package raises what it would for OpenAI, and is told not to ask again what gestura has asked again."""
    import openai

    table = {
        429: (openai.RateLimitError, 429),
        400: (openai.BadRequestError, 400),
        401: (openai.InternalServerError, 502),  # the service's key, not the caller's
        503: (openai.InternalServerError, 503),
    }
    scenarios = [Scenario(model=f"http{status}", faults=(HttpError(status=status),)) for status in table]
    async with serving(scenarios=scenarios) as world:
        for status, (kind, shown) in table.items():
            with pytest.raises(kind) as caught:
                await told(
                    world.port,
                    lambda client, status=status: client.chat.completions.create(
                        model=f"sim/http{status}", messages=HI, stream=stream
                    ),
                )
            assert shown == caught.value.status_code
            assert caught.value.response.headers.keys() & {"x-should-retry", "retry-after"}


async def test_a_failure_amid_the_answer_is_an_event() -> None:
    """What was said stands, and the package raises."""
    scenario = Scenario(model="breaks", steps=(Text("Once upon"), StreamError("the model fell over")))
    words: list[str] = []

    def stream(client: OpenAI) -> None:
        events = client.chat.completions.create(model="sim/breaks", messages=HI, stream=True)
        words.extend(event.choices[0].delta.content or "" for event in events)

    import openai

    async with serving(scenarios=[scenario]) as world:
        with pytest.raises(openai.APIError, match="fell over"):
            await told(world.port, stream)

        assert "Once upon" == "".join(words)


async def test_a_long_silence_is_filled() -> None:
    """Then the head is sent before the first word, comments keep the connection open, and a failure is an event."""
    failing = Scenario(model="late", faults=(Stall(after_events=0, seconds=0.4), HttpError(status=503)))
    quiet = Scenario(model="quiet", steps=(Text("At last."),), faults=(Stall(after_events=1, seconds=0.4),))

    def stream(client: OpenAI, model: str) -> str:
        events = client.chat.completions.create(model=f"sim/{model}", messages=HI, stream=True)
        return "".join(event.choices[0].delta.content or "" for event in events)

    async with serving(ServeSettings(port=0, heartbeat=0.05), scenarios=[failing, quiet]) as world:
        assert "At last." == await told(world.port, lambda client: stream(client, "quiet"))

        body = {"model": "sim/quiet", "messages": HI, "stream": True}
        reply = await ask(world.port, "POST", "/v1/chat/completions", body)

        assert reply.body.startswith(b":\n\n")
        assert reply.body.endswith(b"data: [DONE]\n\n")


async def test_a_caller_who_leaves_cancels() -> None:
    """The provider is let go as soon as nobody wants the answer; whole or streamed."""
    slow = Scenario(model="slow", steps=(Text(LONG),), faults=(Stall(after_events=3),))
    for stream in (True, False):
        async with serving(scenarios=[slow]) as world:
            body = {"model": "sim/slow", "messages": HI, "stream": stream}
            if stream:
                async with asked(world.port, "POST", "/v1/chat/completions", body) as reply:
                    await reply.more()
            else:
                with trio.move_on_after(0.5):
                    await ask(world.port, "POST", "/v1/chat/completions", body)
            with trio.fail_after(10):
                outcome = await world.simulator.requests[0].ended()

            assert Outcome.CLIENT_LEFT is outcome


async def test_a_model_that_is_skipped_says_when_to_come_back() -> None:
    """After its failures in a row it is not asked; another model of the same provider is."""
    body = {"model": "sim/down", "messages": HI}
    async with serving(scenarios=[Scenario(model="down", faults=(HttpError(status=503),)), *SCENARIOS]) as world:
        for _ in range(5):
            await ask(world.port, "POST", "/v1/chat/completions", body)
        skipped = await ask(world.port, "POST", "/v1/chat/completions", body)
        other = await ask(world.port, "POST", "/v1/chat/completions", {**body, "model": "sim/hello"})

        assert (503, "circuit_open") == (skipped.status, skipped.json()["error"]["code"])
        assert 0 < int(skipped.headers["retry-after"]) <= 30
        assert "x-should-retry" not in skipped.headers
        assert 200 == other.status


async def test_what_cant_be_translated_is_refused() -> None:
    """With OpenAI's error, whose `param` names the place."""
    import openai

    async with serving() as world:
        with pytest.raises(openai.BadRequestError) as caught:
            await told(
                world.port,
                lambda client: client.chat.completions.create(model="hello", messages=HI, logit_bias={"50256": -100}),
            )
        assert "logit_bias" == caught.value.param

        with pytest.raises(openai.NotFoundError) as missing:
            await told(world.port, lambda client: client.chat.completions.create(model="gpt-nine", messages=HI))
        assert "model_not_found" == missing.value.code
        assert [] == world.simulator.requests
