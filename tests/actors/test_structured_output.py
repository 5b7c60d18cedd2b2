"""Answers that are values: asked for by class, shown while they grow, checked in the end. All of it in virtual time."""

from __future__ import annotations

import copy
import json
import pickle
from itertools import pairwise
from typing import Any

import attrs
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from scripting import run_virtually
from trio.testing import MockClock

import gestura
from gestura import (
    AfterOutput,
    Answer,
    CancellationToken,
    ConfigError,
    Done,
    FinishReason,
    ObjectStream,
    ParsedAnswer,
    Paused,
    ProviderSettings,
    Refusal,
    RetryPolicy,
    StreamFailed,
    StreamingConfig,
    Text,
    Thinking,
    ToolCall,
    Unfit,
    UnfitAnswer,
)
from gestura.conversation import GO_ON, continuation
from gestura.messages import Role
from gestura.parts import RefusalPart, TextPart
from gestura.testing import Break, Phase, ScriptedModel, Sending, Strike, reply, scripted_client

each_wire = pytest.mark.parametrize("kind", ["openai_chat", "openai_responses", "anthropic", "gemini", "ollama"])


@attrs.frozen
class Recipe:
    title: str = attrs.field(validator=attrs.validators.min_len(1))
    steps: tuple[str, ...]
    minutes: int | None = None


PANCAKES = Recipe("Pancakes", ("Mix.", "Fry."), 20)
WRITTEN = '{"title": "Pancakes", "steps": ["Mix.", "Fry."], "minutes": 20}'
SCHEMA = {"type": "object", "properties": {"title": {"type": "string"}}}
LETTER_BY_LETTER = Sending(characters_per_event=1)


# The whole answer.


@each_wire
async def test_an_answer_that_was_asked_for_by_class_has_a_value(kind: str) -> None:
    """It is an instance of the class, in whichever wire format, beside all that an answer has."""
    async with scripted_client([reply(Thinking("Hm."), WRITTEN, sending=LETTER_BY_LETTER)], kind=kind) as client:
        answer = await client.ask("A recipe, please.", response_format=Recipe)

    assert PANCAKES == answer.value
    assert (WRITTEN, "Hm.", FinishReason.STOP) == (answer.text, answer.thinking, answer.done.finish_reason)


@pytest.mark.parametrize("shape", [SCHEMA, gestura.response_format(Recipe, name="dish")])
async def test_an_answer_that_was_asked_for_by_schema_is_a_dict(shape: Any) -> None:
    """There is no class to make an instance of."""
    async with scripted_client([WRITTEN]) as client:
        answer = await client.ask("A recipe, please.", response_format=shape)

    assert json.loads(WRITTEN) == answer.value


async def test_an_answer_to_a_request_with_a_format_is_parsed_when_wanted() -> None:
    """So that the tool calls that may come before can be looked at."""
    call = ToolCall("call_1", "look_up", "{}")
    async with scripted_client([reply(call), WRITTEN]) as client:
        request = gestura.Request(messages=[gestura.user("A recipe, please.")], response_format=Recipe)
        first = await client.ask(request)
        second = await client.ask(request)

    assert (call,) == first.tool_calls
    assert PANCAKES == second.parse(Recipe)


async def test_a_parsed_answer_goes_into_the_history_as_it_is() -> None:
    """It is a message of the model's."""
    model = ScriptedModel([WRITTEN, "You are welcome."])
    async with scripted_client(model) as client:
        question = gestura.user("A recipe, please.")
        answer = await client.ask([question], response_format=Recipe)
        await client.ask([question, answer, gestura.user("Thank you.")])

    assert WRITTEN in json.dumps(model.requests[1]["messages"][1]).replace('\\"', '"')


@pytest.mark.parametrize("wrapped", ["\n {} \n", "```json\n{}\n```"])
async def test_white_space_and_a_fence_are_no_mistakes(wrapped: str) -> None:
    """Some models put them around whatever they are told."""
    async with scripted_client([wrapped.replace("{}", WRITTEN)]) as client:
        assert PANCAKES == (await client.ask("A recipe, please.", response_format=Recipe)).value


CALL = ToolCall("call_1", "look_up", "{}")
HALF = WRITTEN[:30]


@pytest.mark.parametrize(
    ("answer", "why", "words"),
    [
        (reply(Refusal("I can't.")), Unfit.REFUSED, "the model declined to answer"),
        (
            reply(HALF, finish=FinishReason.LENGTH),
            Unfit.CUT_OFF,
            "the answer was cut off at the limit of output tokens: not valid JSON: the text ends too early at line 1, "
            "column 31",
        ),
        (
            reply(HALF, finish=FinishReason.CONTENT_FILTER),
            Unfit.WITHHELD,
            "the provider withheld the answer: not valid JSON: the text ends too early at line 1, column 31",
        ),
        (
            reply(CALL),
            Unfit.TOOL_CALLS,
            "the model calls tools and has not answered yet: not valid JSON: there is no value at line 1, column 1",
        ),
        (
            "Here you are!",
            Unfit.INVALID,
            "the answer does not fit: not valid JSON: expected a value at line 1, column 1",
        ),
        (
            '{"title": 1, "steps": ["Mix.", 2]}',
            Unfit.INVALID,
            "the answer does not fit: title: expected `str`, got `int`; steps[1]: expected `str`, got `int`",
        ),
        ('{"title": "", "steps": []}', Unfit.INVALID, "the answer does not fit: Length of 'title' must be >= 1: 0"),
        ('["Pancakes"]', Unfit.INVALID, 'the answer does not fit: expected an object, got ["Pancakes"]'),
    ],
)
async def test_an_answer_that_is_no_value_says_why(answer: Any, why: Unfit, words: str) -> None:
    """A refusal, a limit and a mistake are told apart; the message names each place, and the answer is kept."""
    async with scripted_client([answer, answer]) as client:
        with pytest.raises(UnfitAnswer) as asked:
            await client.ask("A recipe, please.", response_format=Recipe)
        async with client.stream("A recipe, please.", response_format=Recipe) as chunks:
            with pytest.raises(UnfitAnswer) as streamed:
                await chunks.objects(Recipe).collect()

    for error in (asked.value, streamed.value):
        assert (why, words) == (error.why, str(error))
        assert isinstance(error, StreamFailed)
        assert isinstance(error.ending, Done)
        assert error.answer.text in (answer if isinstance(answer, str) else (WRITTEN, HALF, ""))
        assert error.answer == pickle.loads(pickle.dumps(error)).answer  # noqa: S301  # our own


@pytest.mark.parametrize(
    ("parts", "finish"),
    [
        ((TextPart(WRITTEN), RefusalPart("I can't.")), FinishReason.STOP),
        ((TextPart(WRITTEN),), FinishReason.REFUSAL),
    ],
)
def test_a_refusal_wins_over_what_was_written_before_it(parts: tuple[Any, ...], finish: FinishReason) -> None:
    """Whether it is told in words or as the reason to stop."""
    with pytest.raises(UnfitAnswer) as caught:
        Answer(Role.ASSISTANT, parts, done=Done(finish_reason=finish)).parse(Recipe)

    assert Unfit.REFUSED is caught.value.why


async def test_a_value_that_is_whole_at_the_limit_is_a_value() -> None:
    """Some models go on with blanks until they are stopped."""
    async with scripted_client([reply(WRITTEN + " " * 50, finish=FinishReason.LENGTH)]) as client:
        assert PANCAKES == (await client.ask("A recipe, please.", response_format=Recipe)).value


async def test_an_answer_that_broke_off_is_no_answer_first_of_all() -> None:
    """The failure of the stream is told, as ever."""
    faults = [Strike(Phase.IN_TEXT, Break())]
    async with scripted_client([WRITTEN], faults=faults) as client:
        with pytest.raises(StreamFailed) as caught:
            await client.ask("A recipe, please.", response_format=Recipe)

    assert not isinstance(caught.value, UnfitAnswer)


JSON_LIKE = st.sampled_from(['{"title": "a"', ', "steps": []', "}", "]", "```json\n", " ", "no", '"', '["', "\\ud83d"])


@given(
    st.lists(JSON_LIKE).map("".join),
    st.sampled_from(FinishReason),
    st.sampled_from([(), (RefusalPart("no"),), (CALL,)]),
)
def test_any_answer_is_a_value_or_says_why(text: str, finish: FinishReason, others: tuple[Any, ...]) -> None:
    """With no other exception."""
    answer = Answer(Role.ASSISTANT, (TextPart(text), *others), done=Done(finish_reason=finish))
    try:
        value = answer.parse(Recipe)
    except UnfitAnswer:
        return

    assert Recipe("a", ()) == value
    assert not answer.refusal


# While it grows.


async def partials(stream: ObjectStream[Any]) -> list[dict[str, Any]]:
    return [copy.deepcopy(partial) async for partial in stream]


@each_wire
async def test_an_object_is_shown_while_it_grows(kind: str) -> None:
    """Piece by piece, and whole in the end; then there is an instance."""
    answer = reply(Thinking("Hm."), WRITTEN, sending=Sending(characters_per_event=12))
    async with (
        scripted_client([answer], kind=kind) as client,
        client.stream("A recipe, please.", response_format=Recipe) as chunks,
    ):
        objects = chunks.objects(Recipe)
        shown = await partials(objects)
        parsed = await objects.collect()

    assert [
        {"title": "P"},
        {"title": "Pancakes"},
        {"title": "Pancakes", "steps": ["Mix"]},
        {"title": "Pancakes", "steps": ["Mix.", "Fry."]},
        {"title": "Pancakes", "steps": ["Mix.", "Fry."], "minutes": 20},
    ] == shown
    assert ParsedAnswer(parsed.role, parsed.parts, done=parsed.done, value=PANCAKES) == parsed
    assert objects.ending is chunks.ending is parsed.done


@given(st.integers(1, 70), st.sampled_from(["", "```json\n", "\n"]))
def test_the_size_of_the_pieces_does_not_matter(size: int, before: str) -> None:
    """The last object is the whole one, however many came before, and each adds to the one before."""

    async def shown() -> tuple[list[dict[str, Any]], Recipe]:
        answer = reply(before + WRITTEN, sending=Sending(characters_per_event=size))
        async with scripted_client([answer]) as client, client.stream("Hi", response_format=Recipe) as chunks:
            objects = chunks.objects(Recipe)
            return await partials(objects), (await objects.collect()).value

    grown, value = run_virtually(shown)

    assert json.loads(WRITTEN) == grown[-1]
    assert PANCAKES == value
    assert all(list(early) == list(late)[: len(early)] for early, late in pairwise(grown))


async def test_the_instance_can_be_had_without_looking_before() -> None:
    """`collect` reads what is left of the stream."""
    async with scripted_client([WRITTEN]) as client, client.stream("Hi", response_format=Recipe) as chunks:
        assert PANCAKES == (await chunks.objects(Recipe).collect()).value


@pytest.mark.parametrize("written", ['{"title": "Pancakes" oops', "I'd rather not.", '["a"]', "12"])
async def test_iterating_never_raises_for_what_is_no_object(written: str) -> None:
    """It ends; `collect` raises."""
    answer = reply(written, sending=LETTER_BY_LETTER)
    async with scripted_client([answer]) as client, client.stream("Hi", response_format=Recipe) as chunks:
        objects = chunks.objects(Recipe)
        shown = await partials(objects)
        with pytest.raises(UnfitAnswer) as caught:
            await objects.collect()

    assert shown[-1:] == ([{"title": "Pancakes"}] if "Pancakes" in written else [])
    assert written == caught.value.answer.text


async def test_a_stream_that_fails_ends_the_object_where_it_was() -> None:
    """The ending is there to look at, and `collect` raises it."""
    faults = [Strike(Phase.IN_TEXT, Break())]
    async with (
        scripted_client([reply(WRITTEN, sending=LETTER_BY_LETTER)], faults=faults) as client,
        client.stream("Hi", response_format=Recipe) as chunks,
    ):
        objects = chunks.objects(Recipe)
        shown = await partials(objects)
        with pytest.raises(StreamFailed) as caught:
            await objects.collect()

    assert shown
    assert caught.value.ending is objects.ending is chunks.ending


def settings(after_output: AfterOutput) -> StreamingConfig:
    return StreamingConfig(
        primary="a",
        providers={"a": ProviderSettings(kind="openai_chat", model="m", base_url="http://localhost", api_key="any")},
        retry=RetryPolicy(jitter=0),
        after_output=after_output,
    )


async def test_an_answer_that_begins_anew_is_an_object_that_does(autojump_clock: MockClock) -> None:
    """What was shown before a `RetryAttempt` with `discard` is no part of it."""
    waffles = WRITTEN.replace("Pancakes", "Waffles")
    model = ScriptedModel(
        [reply(answer, sending=LETTER_BY_LETTER) for answer in (waffles, WRITTEN)],
        faults=[Strike(Phase.IN_TEXT, Break(), request=1)],
    )
    async with (
        scripted_client(model, config=settings(AfterOutput.RESTART)) as client,
        client.stream("Hi", response_format=Recipe) as chunks,
    ):
        objects = chunks.objects(Recipe)
        shown = await partials(objects)
        parsed = await objects.collect()

    assert {"title": "Waffles"} in shown
    assert {"title": ""} in shown[shown.index({"title": "Waffles"}) :]
    assert (WRITTEN, PANCAKES) == (parsed.text, parsed.value)


def goes_on(body: Any) -> Any:
    """A model that is asked for the rest writes the rest."""
    question = body["messages"][-1]["content"]
    if not question.startswith(GO_ON):
        return reply(WRITTEN, sending=LETTER_BY_LETTER)
    assert '"required":["title","steps","minutes"]' in question
    return WRITTEN.removeprefix(body["messages"][-2]["content"])


def test_the_rest_is_asked_for_in_words() -> None:
    """A provider that holds the model to a format would make it begin again."""
    request = gestura.Request(messages=[gestura.user("Hi")], response_format=SCHEMA)
    rest = continuation(request, gestura.assistant(HALF))

    assert rest.response_format is None
    assert rest.messages[-1].text.startswith(GO_ON)
    assert json.dumps(SCHEMA, separators=(",", ":")) in rest.messages[-1].text


async def test_an_answer_that_is_continued_is_one_object(autojump_clock: MockClock) -> None:
    """Its pieces are read one behind the other."""
    model = ScriptedModel(goes_on, faults=[Strike(Phase.IN_TEXT, Break(), request=1)])
    async with scripted_client(model, config=settings(AfterOutput.CONTINUE)) as client:
        answer = await client.ask("Hi", response_format=Recipe)

    assert PANCAKES == answer.value
    assert 2 == len(model.requests)


async def test_a_paused_answer_can_be_resumed_as_an_object() -> None:
    """`begun` is what was shown before; the answer in the end is the whole one."""
    token = CancellationToken()
    async with scripted_client(goes_on) as client:
        async with client.stream("Hi", response_format=Recipe, token=token) as chunks:
            async for partial in chunks.objects(Recipe):
                if partial.get("steps"):
                    token.pause()
        assert isinstance(chunks.ending, Paused)
        async with client.resume(chunks.ending) as rest:
            objects = rest.objects(Recipe, begun=chunks.ending.partial)
            shown = await partials(objects)
            parsed = await objects.collect()

    assert shown
    assert all("Pancakes" == partial["title"] for partial in shown)
    assert (WRITTEN, PANCAKES) == (parsed.text, parsed.value)


async def test_an_object_can_be_read_from_a_channel() -> None:
    """As a stream that is poured into one."""
    send, receive = trio.open_memory_channel[gestura.StreamChunk](0)
    async with scripted_client([WRITTEN]) as client, trio.open_nursery() as nursery:
        nursery.start_soon(lambda: client.stream_into("Hi", send, response_format=Recipe))
        assert PANCAKES == (await ObjectStream(receive, Recipe).collect()).value


async def test_each_answer_of_an_agents_turn_is_an_object_of_its_own() -> None:
    """The last one counts."""
    done = Done(finish_reason=FinishReason.STOP)
    send, receive = trio.open_memory_channel[gestura.StreamChunk](9)
    with send:
        for chunk in (gestura.AgentLoopIteration(0), Text("Let me look."), gestura.AgentLoopIteration(1)):
            send.send_nowait(chunk)
        send.send_nowait(Text(WRITTEN))
        send.send_nowait(done)
    objects = ObjectStream(receive, Recipe)

    assert [json.loads(WRITTEN)] == await partials(objects)
    assert WRITTEN == (await objects.collect()).text


@pytest.mark.parametrize(("shown", "title"), [([], "Pancakes"), ([Text("Let me look.")], "Waffles")])
async def test_only_the_first_answer_of_an_agents_turn_goes_on(shown: list[gestura.StreamChunk], title: str) -> None:
    """What was begun before the turn was paused is no part of a later answer."""
    send, receive = trio.open_memory_channel[gestura.StreamChunk](9)
    rest = WRITTEN[30:] if not shown else WRITTEN.replace("Pancakes", "Waffles")
    with send:
        for chunk in (gestura.AgentLoopIteration(3), *shown, gestura.AgentLoopIteration(4), Text(rest), Done()):
            send.send_nowait(chunk)
    parsed = await ObjectStream(receive, Recipe, begun=gestura.assistant(HALF)).collect()

    assert title == parsed.value.title


async def test_what_can_be_no_format_is_refused_before_anything_is_sent() -> None:
    """At each door."""
    model = ScriptedModel([])
    send, _ = trio.open_memory_channel[gestura.StreamChunk](0)
    async with scripted_client(model) as client:
        with pytest.raises(ConfigError, match="response_format: int is no object"):
            await client.ask("Hi", response_format=int)
        with pytest.raises(ConfigError, match="response_format: int is no object"):
            async with client.stream("Hi", response_format=int):
                pass
        with pytest.raises(ConfigError, match="response_format: int is no object"):
            await client.stream_into("Hi", send, response_format=int)

    assert not model.requests
