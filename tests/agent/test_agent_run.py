"""An agent's turn: the model and its tools as one stream, over a scripted model, in virtual time."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import MockClock

import gestura
from gestura import (
    AgentLoopIteration,
    AgentRun,
    CancellationToken,
    Cancelled,
    ContextCompacted,
    ContextOverflow,
    Denied,
    Done,
    Error,
    ErrorKind,
    FinishReason,
    Message,
    Paused,
    Role,
    RunLimits,
    StepDone,
    StreamChunk,
    Text,
    TextPart,
    TokenUsage,
    ToolBlocked,
    ToolCall,
    ToolCallResult,
    ToolCallStart,
    ToolConfirmationRequired,
    ToolResult,
)
from gestura.chunk_json import from_json, to_json
from gestura.errors import ConfigError, StreamFailed
from gestura.simulator.scenario import Sending
from gestura.testing import HttpError, ScriptedModel, assert_ends_once, reply, scripted_client
from gestura.testing.replies import Reply

USAGE = TokenUsage(input_tokens=10, output_tokens=5)
OVERFLOW = HttpError(status=400, body='{"error": {"code": "context_length_exceeded", "message": "too long"}}')


def call(name: str, call_id: str = "c1", **arguments: Any) -> ToolCall:
    return ToolCall(call_id, name, json.dumps(arguments))


@gestura.tool
async def look_up(city: str, seconds: float = 0) -> str:
    """The weather."""
    await trio.sleep(seconds)
    return f"sunny in {city}"


@gestura.tool
async def shout(word: str) -> str:
    """In capitals."""
    return word.upper()


@gestura.tool
async def fail(how: str = "badly") -> str:
    """Always fails."""
    raise ValueError(how)


@gestura.tool(confirm=True, risk_level="high", category="files")
async def delete(path: str) -> str:
    """Delete a file."""
    return f"{path} is gone"


TOOLS = [look_up, shout, fail]


@asynccontextmanager
async def running(
    replies: ScriptedModel | Iterable[Reply], prompt: Any = "Hi", tools: Any = TOOLS, **options: Any
) -> AsyncIterator[AgentRun]:
    async with scripted_client(replies) as client, client.run(prompt, tools=tools, **options) as run:
        yield run


async def told(
    replies: ScriptedModel | Iterable[Reply], prompt: Any = "Hi", tools: Any = TOOLS, **options: Any
) -> tuple[list[StreamChunk], AgentRun]:
    """All the chunks of a turn, and the turn."""
    async with running(replies, prompt, tools, **options) as run:
        chunks = [chunk async for chunk in run]
    assert assert_ends_once(chunks) is run.ending
    return chunks, run


def results_of(run: AgentRun) -> list[tuple[str, str, bool]]:
    """Of all calls of the turn: the id, the text, whether it is an error."""
    return [
        (result.call_id, result.text, result.is_error) for message in run.messages for result in message.tool_results
    ]


# The order of a turn.


async def test_a_turn_is_one_stream(autojump_clock: MockClock) -> None:
    """Each answer begins with its number and is complete with its own counts; the one ending has those of all."""
    asked = reply("Let me see.", call("look_up", city="Oslo"), usage=USAGE)
    chunks, run = await told([asked, reply("It is sunny.", usage=USAGE)])

    kinds = (AgentLoopIteration, Text, ToolCallStart, StepDone, ToolCallResult, Done)
    kept = [chunk for chunk in chunks if isinstance(chunk, kinds)]
    done = {"model": "scripted", "provider": "scripted"}
    counted = TokenUsage(input_tokens=10, output_tokens=5, **done)
    assert [
        AgentLoopIteration(0),
        ToolCallStart("c1", "look_up"),
        StepDone(usage=counted, finish_reason=FinishReason.TOOL_CALLS, provider_finish_reason="tool_calls", **done),
        ToolCallResult("look_up", True, "sunny in Oslo", 0, id="c1"),
        AgentLoopIteration(1),
        StepDone(usage=counted, finish_reason=FinishReason.STOP, provider_finish_reason="stop", **done),
        Done(
            usage=TokenUsage(input_tokens=20, output_tokens=10, **done),
            finish_reason=FinishReason.STOP,
            provider_finish_reason="stop",
            **done,
        ),
    ] == [chunk for chunk in kept if not isinstance(chunk, Text)]
    assert "Let me see.It is sunny." == "".join(chunk.text for chunk in kept if isinstance(chunk, Text))
    assert (
        Message(Role.ASSISTANT, (TextPart("Let me see."), call("look_up", city="Oslo"))),
        Message(Role.USER, (ToolResult("c1", (TextPart("sunny in Oslo"),)),)),
        Message(Role.ASSISTANT, (TextPart("It is sunny."),)),
    ) == run.messages
    assert (gestura.user("Hi"), *run.messages) == run.request.messages
    assert 2 == run.statistics().attempts


async def test_a_turn_without_calls_is_an_answer(autojump_clock: MockClock) -> None:
    """One answer, and the end."""
    _, run = await told(["Hello!"])

    assert (gestura.assistant("Hello!"),) == run.messages


async def test_a_turn_can_be_collected(autojump_clock: MockClock) -> None:
    """The model's last answer, with the counts of all."""
    async with running([reply(call("shout", word="a"), usage=USAGE), reply("A!", usage=USAGE)]) as run:
        answer = await run.collect()

    assert "A!" == str(answer)
    assert answer.done.usage is not None
    assert 20 == answer.done.usage.input_tokens
    assert [("c1", "A", False)] == results_of(run)


async def test_a_turn_that_failed_can_not_be_collected(autojump_clock: MockClock) -> None:
    """It raises what any stream does."""
    async with running([reply(call("shout", word="a")), HttpError(status=401)]) as run:
        with pytest.raises(StreamFailed) as caught:
            await run.collect()

    assert run.ending is caught.value.ending


async def test_the_next_request_has_the_results(autojump_clock: MockClock) -> None:
    """Beside all that was asked before."""
    model = ScriptedModel([reply(call("shout", word="a")), "Done."])
    request = gestura.Request(messages=[gestura.user("Hi")], system="Be brief.", tools=[look_up])
    await told(model, request, [shout])

    first, second = model.requests
    assert first["messages"] == second["messages"][:2]
    assert ["look_up", "shout"] == [tool["function"]["name"] for tool in second["tools"]]


async def test_tools_stand_in_for_those_of_the_same_name(autojump_clock: MockClock) -> None:
    """A request from another process has no functions; they are given again."""
    request = gestura.Request(messages=[gestura.user("Hi")], tools=[gestura.Tool(name="shout"), look_up])
    _, run = await told([reply(call("shout", word="a")), "Done."], request, [shout])

    assert ["look_up", "shout"] == [tool.name for tool in run.request.tools]
    assert [("c1", "A", False)] == results_of(run)


async def test_a_forced_call_is_forced_once(autojump_clock: MockClock) -> None:
    """After it the model is free to answer."""
    model = ScriptedModel([reply(call("shout", word="a")), "Done."])
    request = gestura.Request(messages=[gestura.user("Hi")], tools=[shout], tool_choice="required")
    await told(model, request)

    assert "auto" == model.requests[1]["tool_choice"]


async def test_an_answer_that_the_provider_paused_goes_on(autojump_clock: MockClock) -> None:
    """It is sent back, and asked for the rest."""
    paused = reply("First,", finish=FinishReason.PAUSE)
    chunks, run = await told_by("anthropic", [paused, "second."])

    assert ["First,", "second."] == [message.text for message in run.messages]
    assert isinstance(chunks[-1], Done)


async def told_by(kind: str, replies: Iterable[Reply]) -> tuple[list[StreamChunk], AgentRun]:
    async with scripted_client(replies, kind=kind) as client, client.run("Hi", tools=TOOLS) as run:
        return [chunk async for chunk in run], run


async def test_ids_are_unique_in_a_turn(autojump_clock: MockClock) -> None:
    """Though the provider gives the same to each answer's calls."""
    chunks, run = await told([reply(call("shout", word="a")), reply(call("shout", word="b")), "Done."])

    assert ["c1", "c1_2"] == [chunk.id for chunk in chunks if isinstance(chunk, ToolCallStart)]
    assert ["c1", "c1_2"] == [chunk.id for chunk in chunks if isinstance(chunk, ToolCallResult)]
    assert [("c1", "A", False), ("c1_2", "B", False)] == results_of(run)


async def test_a_turn_has_one_ending_when_an_answer_fails(autojump_clock: MockClock) -> None:
    """What was done before it stands, and can be asked again."""
    replies = [reply(call("shout", word="a"), usage=USAGE), HttpError(status=401), "Again."]
    async with scripted_client(replies) as client:
        async with client.run("Hi", tools=TOOLS) as run:
            chunks = [chunk async for chunk in run]
        again, ended = run.request, run.ending
        async with client.run(again, tools=TOOLS) as run:
            answer = await run.collect()

    assert isinstance(assert_ends_once(chunks), Error)
    assert isinstance(ended, Error)
    assert (ErrorKind.AUTHENTICATION, 2) == (ended.kind, ended.attempts)
    assert ended.usage is not None
    assert 10 == ended.usage.input_tokens
    assert "Again." == str(answer)


# Tools that fail.


@pytest.mark.parametrize(
    ("called", "words"),
    [
        (call("fail"), "ValueError: badly"),
        (call("look_up"), "Invalid arguments: city: missing"),
        (call("look_up", city=3), "Invalid arguments: city: expected `str`, got `int`"),
        (ToolCall("c1", "look_up", '{"city": "Os'), "Invalid arguments: not valid JSON: Unterminated string"),
        (call("nothing"), "There is no tool 'nothing'; there are: look_up, shout, fail."),
        (call("functions.shout", word="a"), "There is no tool 'functions.shout'"),
        (call("look_up", city="Oslo", seconds=500), "The tool gave no result within 120 seconds."),
    ],
)
async def test_a_failure_is_the_models_to_mend(autojump_clock: MockClock, called: ToolCall, words: str) -> None:
    """It reads what was wrong, and the turn goes on."""
    model = ScriptedModel([reply(called), "I see."])
    chunks, run = await told(model)

    ((_, text, is_error),) = results_of(run)
    (result,) = (chunk for chunk in chunks if isinstance(chunk, ToolCallResult))
    assert text.startswith(words)
    assert is_error
    assert (called.name, False, text) == (result.name, result.success, result.output)
    assert isinstance(run.ending, Done)


async def test_a_failing_task_of_a_tool_is_a_failure_like_any_other(autojump_clock: MockClock) -> None:
    """Tools may have nurseries; a group of errors, with cancellations among them, crashes nothing."""

    async def crowd(late: bool) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep, 1000)
            nursery.start_soon(stumble, late)

    async def stumble(late: bool) -> None:
        try:
            await trio.sleep(1000 if late else 1)
        finally:
            raise KeyError("stumbled")

    calls = [call("crowd", "c1", late=False), call("crowd", "c2", late=True)]
    _, run = await told([reply(*calls), "I see."], tools=[crowd])

    assert ["c1", "c2"] == [call_id for call_id, _, _ in results_of(run)]
    assert all(is_error for _, _, is_error in results_of(run))


async def test_what_ends_the_program_is_no_failure_of_a_tool(autojump_clock: MockClock) -> None:
    """It leaves the turn as it is."""

    async def leave() -> None:
        raise SystemExit

    with pytest.raises(SystemExit):
        await told([reply(call("leave"))], tools=[leave])


async def test_a_result_that_is_no_json_is_a_failure(autojump_clock: MockClock) -> None:
    """Of the tool, and told to the model."""

    async def strange() -> object:
        return object()

    _, run = await told([reply(call("strange")), "I see."], tools=[strange])

    assert [("c1", "TypeError: Encoding objects of type object is unsupported", True)] == results_of(run)


async def test_a_tool_may_give_pictures(autojump_clock: MockClock) -> None:
    """They stand in the result as they are, and are shown to people by their type."""
    picture = gestura.ImagePart(data=b"GIF8", media_type="image/gif")

    async def draw() -> list[Any]:
        return ["here: ", picture]

    run_limits = RunLimits(max_iterations=1)
    chunks, run = await told([reply(call("draw"))], tools=[draw], limits=run_limits)

    assert (TextPart("here: "), picture) == run.messages[1].tool_results[0].content
    assert ["here: [image/gif]"] == [chunk.output for chunk in chunks if isinstance(chunk, ToolCallResult)]


# Side by side.


async def test_calls_run_side_by_side(autojump_clock: MockClock) -> None:
    """They take as long as the longest; the chunks come as they are done, the results in the order of the calls."""
    calls = [call("look_up", f"c{seconds}", city="Oslo", seconds=seconds) for seconds in (3, 1, 2)]
    chunks, run = await told([reply(*calls), "Done."])

    assert trio.current_time() == 3
    done = [(chunk.id, chunk.duration_ms) for chunk in chunks if isinstance(chunk, ToolCallResult)]
    assert [("c1", 1000), ("c2", 2000), ("c3", 3000)] == done
    assert ["c3", "c1", "c2"] == [call_id for call_id, _, _ in results_of(run)]


async def test_not_all_at_once(autojump_clock: MockClock) -> None:
    """`max_parallel_calls` run; the time of one begins when it does."""
    calls = [call("look_up", f"c{number}", city="Oslo", seconds=10) for number in range(5)]
    limits = RunLimits(max_parallel_calls=2, tool_timeout=15)
    chunks, run = await told([reply(*calls), "Done."], limits=limits)

    assert trio.current_time() == 30
    assert not any(is_error for _, _, is_error in results_of(run))
    assert {10_000} == {chunk.duration_ms for chunk in chunks if isinstance(chunk, ToolCallResult)}


async def test_a_tool_has_a_timeout_of_its_own(autojump_clock: MockClock) -> None:
    """It goes before that of the run, which may be none."""

    @gestura.tool(timeout=1)
    async def hurry() -> None:
        await trio.sleep_forever()

    calls = [call("hurry", "c1"), call("look_up", "c2", city="Oslo", seconds=500)]
    _, run = await told([reply(*calls), "Done."], tools=[hurry, look_up], limits=RunLimits(tool_timeout=None))

    assert trio.current_time() == 500
    assert [("c1", "The tool gave no result within 1 seconds.", True), ("c2", "sunny in Oslo", False)] == results_of(
        run
    )


# Confirmation.


async def allow(question: ToolConfirmationRequired) -> bool:
    return True


async def deny(question: ToolConfirmationRequired) -> bool | Denied:
    return Denied("not that one") if "secret" in question.tool_args else False


async def stumble(question: ToolConfirmationRequired) -> bool:
    raise OSError("no terminal")


@pytest.mark.parametrize(
    ("confirm", "path", "reason"),
    [
        (allow, "a", None),
        (deny, "a", "the user did not allow it"),
        (deny, "secret", "not that one"),
        (stumble, "a", "nobody could be asked to allow it"),
    ],
)
async def test_a_tool_may_need_to_be_allowed(
    autojump_clock: MockClock, confirm: gestura.Confirm, path: str, reason: str | None
) -> None:
    """A hook is asked; the model is told why it was not allowed, and nothing was run."""
    chunks, run = await told([reply(call("delete", path=path)), "I see."], tools=[delete], confirm=confirm)

    asked = ToolConfirmationRequired("c1", "delete", f'{{"path": "{path}"}}', "Delete a file.", "high", "files")
    outcome = (
        ToolCallResult("delete", True, "a is gone", 0, id="c1")
        if reason is None
        else ToolBlocked("delete", reason, id="c1")
    )
    kinds = (ToolConfirmationRequired, ToolBlocked, ToolCallResult)
    assert [asked, outcome] == [chunk for chunk in chunks if isinstance(chunk, kinds)]
    text = "a is gone" if reason is None else f"The call was not allowed: {reason}"
    assert [("c1", text, reason is not None)] == results_of(run)


async def test_one_question_at_a_time(autojump_clock: MockClock) -> None:
    """While another tool goes on working; a wait for an answer is no time of the tool's."""
    open_questions = []

    async def think(question: ToolConfirmationRequired) -> bool:
        open_questions.append(question)
        assert 1 == len(open_questions)
        await trio.sleep(200)
        open_questions.clear()
        return True

    calls = [call("delete", "c1", path="a"), call("delete", "c2", path="b"), call("shout", "c3", word="a")]
    chunks, run = await told([reply(*calls), "Done."], tools=[delete, shout], confirm=think)

    assert "c3" == next(chunk.id for chunk in chunks if isinstance(chunk, ToolCallResult))
    assert trio.current_time() == 400
    assert not any(is_error for _, _, is_error in results_of(run))


async def test_a_tool_that_needs_a_hook_is_refused_without_one(autojump_clock: MockClock) -> None:
    """Before anything is sent."""
    with pytest.raises(ConfigError, match="'delete' asks for confirmation"):
        async with running([], tools=[delete]):
            pass


# Limits.


async def test_a_turn_ends_at_its_limit_of_answers(autojump_clock: MockClock) -> None:
    """Its calls have been run by then, so it can be taken up again."""
    replies = [reply(call("shout", word="a"), usage=USAGE)] * 2
    _, run = await told(replies, limits=RunLimits(max_iterations=2))

    ending = run.ending
    assert isinstance(ending, Error)
    assert (ErrorKind.LIMIT, "max_iterations", 2) == (ending.kind, ending.code, ending.attempts)
    assert ending.usage is not None
    assert 20 == ending.usage.input_tokens
    assert 2 == len(results_of(run))
    assert "Done." == str(await collected(["Done."], run.request))


async def collected(replies: Iterable[Reply], prompt: Any, **options: Any) -> gestura.Answer:
    async with running(replies, prompt, **options) as run:
        return await run.collect()


async def test_a_turn_ends_at_its_limit_of_tokens(autojump_clock: MockClock) -> None:
    """Those of all its answers count together."""
    replies = [reply(call("shout", word="a"), usage=USAGE)] * 3
    chunks, run = await told(replies, limits=RunLimits(max_total_tokens=31))

    assert isinstance(run.ending, Error)
    assert "max_total_tokens" == run.ending.code
    assert 3 == sum(isinstance(chunk, StepDone) for chunk in chunks)


# Tools that the user runs.


async def test_a_tool_without_a_function_is_the_users_to_run(autojump_clock: MockClock) -> None:
    """The turn ends there; what else was called has its result, and the user gives the rest."""
    replies = [reply(call("shout", "c1", word="a"), call("theirs", "c2")), "Thanks."]
    async with scripted_client(replies) as client:
        async with client.run("Hi", tools=[shout, gestura.Tool(name="theirs")]) as run:
            answer = await run.collect()
        theirs = next(each for each in answer.tool_calls if each.name == "theirs")
        history = [gestura.user("Hi"), *run.messages, gestura.tool_result(theirs, "done")]
        async with client.run(history, tools=[shout]) as run:
            last = await run.collect()

    assert FinishReason.TOOL_CALLS is answer.done.finish_reason
    assert "Thanks." == str(last)


# Overflow.


async def keep_last(request: gestura.Request) -> gestura.Request:
    return gestura.Request(messages=[gestura.user("In short: Hi")], tools=request.tools)


async def test_a_conversation_that_is_too_long_is_compacted_once(autojump_clock: MockClock) -> None:
    """By the user's hook; the turn goes on with what that gives."""
    replies = [reply(call("shout", word="a")), OVERFLOW, "Done."]
    chunks, run = await told(replies, compact=keep_last)

    assert ContextCompacted(3, 1, 1, "3 messages became 1") in chunks
    assert isinstance(run.ending, Done)
    assert (gestura.user("In short: Hi"), gestura.assistant("Done.")) == run.request.messages
    assert 3 == len(run.messages)
    assert 2 == sum(isinstance(chunk, AgentLoopIteration) for chunk in chunks)


async def test_each_overflow_may_be_compacted(autojump_clock: MockClock) -> None:
    """Once per answer, and as often as there are answers."""
    replies = [OVERFLOW, reply(call("shout", word="a")), OVERFLOW, "Done."]
    chunks, run = await told(replies, compact=keep_last)

    assert 2 == sum(isinstance(chunk, ContextCompacted) for chunk in chunks)
    assert isinstance(run.ending, Done)


async def give_up(request: gestura.Request) -> gestura.Request:
    return request


async def break_down(request: gestura.Request) -> gestura.Request:
    raise OSError("no summary")


async def forget(request: gestura.Request) -> Any:
    return None


@pytest.mark.parametrize(
    ("compact", "requests"),
    [(None, 1), (keep_last, 2), (give_up, 1), (break_down, 1), (forget, 1)],
    ids=["no", "in vain", "same", "broken", "nothing"],
)
async def test_an_overflow_that_can_not_be_mended_ends_the_turn(
    autojump_clock: MockClock, compact: gestura.Compact | None, requests: int
) -> None:
    """Where there is no hook, where it does not help, and where it fails."""
    model = ScriptedModel([OVERFLOW] * requests)
    _, run = await told(model, compact=compact)

    assert isinstance(run.ending, ContextOverflow)
    assert requests == len(model.requests)


# Cancelling, pausing, leaving.


def strike_at(seconds: float, token: CancellationToken, strike: str, nursery: trio.Nursery) -> None:
    async def later() -> None:
        await trio.sleep(seconds)
        getattr(token, strike)()

    nursery.start_soon(later)


CALLS = (call("look_up", "c1", city="Oslo", seconds=1), call("look_up", "c2", city="Lima", seconds=50))


async def test_cancelling_reaches_tools(autojump_clock: MockClock) -> None:
    """Those that run are cancelled, at once; the ending has what was said."""
    token = CancellationToken()
    async with trio.open_nursery() as nursery:
        strike_at(2, token, "cancel", nursery)
        _, run = await told([reply("Hm.", *CALLS, usage=USAGE)], token=token)

    assert trio.current_time() == 2
    assert isinstance(run.ending, Cancelled)
    assert run.ending.partial == Message(Role.ASSISTANT, (TextPart("Hm."), *CALLS))
    assert run.ending.usage is not None
    assert 10 == run.ending.usage.input_tokens
    assert (gestura.user("Hi"),) == run.request.messages


async def paused_at(seconds: float, replies: Iterable[Reply], **options: Any) -> tuple[Paused, list[StreamChunk]]:
    token = CancellationToken()
    async with trio.open_nursery() as nursery:
        strike_at(seconds, token, "pause", nursery)
        chunks, run = await told(replies, token=token, **options)
    assert isinstance(run.ending, Paused)
    return run.ending, chunks


async def test_a_turn_that_was_paused_while_tools_ran_goes_on_with_them(autojump_clock: MockClock) -> None:
    """In another process, if need be: what had its result keeps it, the others are run again, and all is one answer."""
    paused, before = await paused_at(2, [reply("Hm.", *CALLS)])
    assert (ToolResult("c1", (TextPart("sunny in Oslo"),)),) == paused.tool_results
    moved = from_json(json.loads(json.dumps(to_json(paused))))
    model = ScriptedModel(["Done."])
    chunks, run = await told(model, moved)

    assert ["c1"] == [chunk.id for chunk in before if isinstance(chunk, ToolCallResult)]
    assert ["c2"] == [chunk.id for chunk in chunks if isinstance(chunk, ToolCallResult)]
    assert trio.current_time() == 52
    assert [("c1", "sunny in Oslo", False), ("c2", "sunny in Lima", False)] == results_of(run)
    assert (Message(Role.ASSISTANT, (TextPart("Hm."), *CALLS)), gestura.assistant("Done.")) == run.messages[::2]
    assert (gestura.user("Hi"), *run.messages) == run.request.messages


async def test_a_turn_may_be_paused_more_than_once(autojump_clock: MockClock) -> None:
    """What is known is kept each time."""
    calls = (*CALLS, call("look_up", "c3", city="Rome", seconds=1000))
    paused, _ = await paused_at(2, [reply(*calls)], limits=RunLimits(tool_timeout=None))
    again, _ = await paused_at(60, [], prompt=paused, limits=RunLimits(tool_timeout=None))

    assert again.tool_results is not None
    assert ["c1", "c2"] == [result.call_id for result in again.tool_results]
    assert paused.request == again.request


async def test_a_turn_that_was_paused_in_an_answer_goes_on_with_it(autojump_clock: MockClock) -> None:
    """As any stream does, behind what the tools have done."""
    replies = [reply(call("shout", word="a")), reply("The beginning", sending=SLOWLY), "the end."]
    paused, _ = await paused_at(1.5, replies[:2])
    assert paused.tool_results is None
    _, run = await told(replies[2:], paused)

    texts = [message.text for message in run.request.messages]
    assert "The" == texts[3]
    assert "the end." == texts[-1]
    assert isinstance(run.ending, Done)


SLOWLY = Sending(interval=1)


async def test_a_paused_turn_is_not_resumed_as_a_stream(autojump_clock: MockClock) -> None:
    """Calls would be without results."""
    paused, _ = await paused_at(2, [reply(*CALLS)])
    async with scripted_client([]) as client:
        with pytest.raises(ConfigError, match=r"Client\.run"):
            async with client.resume(paused):
                pass


async def test_a_turn_asks_whom_it_was_paused_with(autojump_clock: MockClock) -> None:
    """The provider and the model that were asked before."""
    paused, _ = await paused_at(2, [reply(*CALLS)])

    assert ("scripted", None) == (paused.provider, paused.model)


async def test_a_token_that_was_used_ends_a_turn_at_once(autojump_clock: MockClock) -> None:
    """Nothing is asked."""
    token = CancellationToken()
    token.pause()
    _, run = await told([], token=token)

    assert isinstance(run.ending, Paused)


async def test_a_question_can_be_interrupted(autojump_clock: MockClock) -> None:
    """A hook that waits for a person is cancelled like a tool."""

    async def sleep(question: ToolConfirmationRequired) -> bool:
        await trio.sleep_forever()
        raise AssertionError

    paused, _ = await paused_at(2, [reply(call("delete", path="a"))], tools=[delete], confirm=sleep)

    assert () == paused.tool_results


async def test_a_tool_that_fails_while_it_is_cancelled_does_no_harm(autojump_clock: MockClock) -> None:
    """The ending is the token's."""

    async def cling() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            try:
                await trio.sleep_forever()
            finally:
                raise ValueError("could not clean up")

    paused, _ = await paused_at(2, [reply(call("cling"))], tools=[cling])

    assert paused.tool_results in (
        (),
        (ToolResult("c1", (TextPart("ValueError: could not clean up"),), is_error=True),),
    )


async def test_leaving_stops_the_tools(autojump_clock: MockClock) -> None:
    """The next line runs when they have stopped."""
    stopped = []

    async def work() -> None:
        try:
            await trio.sleep_forever()
        finally:
            stopped.append(trio.current_time())

    async with running([reply(call("work"))], tools=[work]) as run:
        async for chunk in run:
            if isinstance(chunk, StepDone):
                break
        await trio.sleep(1)

    assert [1] == stopped
    assert run.ending is None


async def test_an_exception_of_the_users_comes_out_bare(autojump_clock: MockClock) -> None:
    """As from any stream."""
    with pytest.raises(ZeroDivisionError):
        async with running([reply(*CALLS)]):
            raise ZeroDivisionError


async def test_chunks_of_ones_own_stand_in_a_turn(autojump_clock: MockClock) -> None:
    """As in any stream, a tool's progress, say."""
    narration = gestura.Status("working")

    async with running([reply(call("work")), "Done."], tools=[]) as run:
        await run.emit(narration)
        chunks = [chunk async for chunk in run]

    assert narration is chunks[0]


async def test_a_slow_reader_holds_up_the_turn_and_loses_nothing(autojump_clock: MockClock) -> None:
    """Chunks wait, in order, up to the bound."""
    words = " ".join(map(str, range(2000)))
    async with running([reply(words)]) as run:
        await trio.sleep(100)
        text = "".join([chunk.text async for chunk in run if isinstance(chunk, Text)])

    assert words == text
    assert 256 == run.statistics().deepest_queue


async def test_a_turn_takes_no_prompt_that_is_none(autojump_clock: MockClock) -> None:
    """As a stream does not."""
    for prompt in ([], 5, Paused()):
        with pytest.raises(ConfigError):
            async with running([], prompt):
                pass


async def test_two_turns_do_not_disturb_each_other(autojump_clock: MockClock) -> None:
    """Any number may run on one client."""

    def answer(body: Any) -> Reply:
        results = sum(message["role"] != "assistant" for message in body["messages"]) - 1
        return reply(call("look_up", city="Oslo", seconds=5)) if not results else "Done."

    async def turn() -> None:
        async with client.run("Hi", tools=TOOLS) as run:
            assert "Done." == str(await run.collect())

    async with scripted_client(answer) as client, trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(turn)

    assert trio.current_time() == 5
