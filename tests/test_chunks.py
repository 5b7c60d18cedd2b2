"""The vocabulary: which chunks there are, what each holds, how it is delivered, and what it looks like as JSON."""

from __future__ import annotations

import enum
import json
import re
from typing import Any, get_args

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import conversations, requests

from gestura import chunks as c
from gestura.chunk_json import from_json, to_json
from gestura.delivery import Delivery
from gestura.errors import ErrorKind
from gestura.usage import TokenUsage, TokenUsageStatus

LOSSLESS, BEST_EFFORT, IF_ROOM = Delivery.LOSSLESS, Delivery.BEST_EFFORT, Delivery.IF_ROOM

# Tag, class, delivery, and the fields in order: `?` marks one that may be left out, `!` one that is told even so.
KINDS: list[tuple[str, type[c.StreamChunk], Delivery, str]] = [
    ("thinking", c.Thinking, LOSSLESS, "text"),
    ("narration", c.Narration, IF_ROOM, "narration stage"),
    ("text", c.Text, LOSSLESS, "text"),
    ("refusal", c.Refusal, LOSSLESS, "text"),
    ("signature", c.Signature, LOSSLESS, "signature id? redacted? sealed_by?"),
    ("signature", c.Signature, LOSSLESS, "signature id? redacted? sealed_by?"),
    ("tool_call_start", c.ToolCallStart, LOSSLESS, "id name"),
    ("tool_call_args", c.ToolCallArgs, LOSSLESS, "id fragment"),
    ("tool_call_end", c.ToolCallEnd, LOSSLESS, "id"),
    ("tool_call_result", c.ToolCallResult, LOSSLESS, "name success output duration_ms id?"),
    ("retry_attempt", c.RetryAttempt, LOSSLESS, "attempt max_attempts delay_ms error_message discard?"),
    ("context_compacted", c.ContextCompacted, LOSSLESS, "messages_before messages_after tokens_saved summary"),
    (
        "token_usage_update",
        c.TokenUsageUpdate,
        BEST_EFFORT,
        "estimated limit percentage status estimated_cost is_cost_guessed?",
    ),
    ("status", c.Status, BEST_EFFORT, "message"),
    ("provider_event", c.ProviderEvent, LOSSLESS, "event data"),
    ("provider_event", c.ProviderEvent, LOSSLESS, "event data"),
    ("config_request", c.ConfigRequest, LOSSLESS, "operation key value? requires_confirmation"),
    (
        "tool_confirmation_required",
        c.ToolConfirmationRequired,
        LOSSLESS,
        "confirmation_id tool_name tool_args description risk_level category",
    ),
    ("tool_blocked", c.ToolBlocked, LOSSLESS, "tool_name reason id?"),
    ("memory_bank_saved", c.MemoryBankSaved, LOSSLESS, "file_path session_id summary messages_saved"),
    ("agent_loop_iteration", c.AgentLoopIteration, LOSSLESS, "iteration"),
    ("step_done", c.StepDone, LOSSLESS, "usage? finish_reason! provider_finish_reason? model? provider?"),
    ("task_runtime_snapshot", c.TaskRuntimeSnapshot, IF_ROOM, "snapshot"),
    ("shell_output", c.ShellOutput, LOSSLESS, "process_id shell_session_id? stream data"),
    (
        "shell_lifecycle",
        c.ShellLifecycle,
        LOSSLESS,
        "process_id shell_session_id? state exit_code? duration_ms? command cwd?",
    ),
    (
        "shell_session_lifecycle",
        c.ShellSessionLifecycle,
        LOSSLESS,
        "shell_session_id state cwd? active_process_id? active_command? available_for_reuse interactive user_managed",
    ),
    ("reflection_started", c.ReflectionStarted, LOSSLESS, "reason"),
    ("reflection_complete", c.ReflectionComplete, LOSSLESS, "summary stored promoted"),
    ("done", c.Done, LOSSLESS, "usage? finish_reason! provider_finish_reason? model? provider?"),
    ("cancelled", c.Cancelled, LOSSLESS, "usage? partial?"),
    ("paused", c.Paused, LOSSLESS, "usage? partial? request? provider? model? tool_results?"),
    (
        "error",
        c.Error,
        LOSSLESS,
        "message kind! provider? status? code? request_id? retryable? retry_after? attempts? usage? partial?",
    ),
    ("context_overflow", c.ContextOverflow, LOSSLESS, "error_message"),
]
PARTS: list[tuple[type, str]] = [
    (c.PublicNarration, "title message summary? reason? next_step? evidence?"),
    (c.RuntimeTask, "id name status"),
    (
        c.RuntimeSnapshot,
        "root_task_id current_task? ready_tasks? parallel_ready_tasks? blocked_tasks? open_tasks? completed_tasks? "
        "missing_requirements? status_message?",
    ),
]
ENUMS: list[tuple[type[enum.Enum], str]] = [
    (c.NarrationStage, "context planning execution verification blocked progress"),
    (c.ShellOutputStream, "stdout stderr"),
    (c.ShellProcessState, "started completed failed stopped paused resumed"),
    (c.ShellSessionState, "starting idle busy interrupting stopping stopped failed"),
    (TokenUsageStatus, "green yellow red"),
    (Delivery, "lossless best_effort if_room"),
]

EXAMPLES: list[tuple[c.StreamChunk, dict[str, Any]]] = [
    (c.Text(""), {"type": "text", "text": ""}),
    (c.Done(), {"type": "done", "finish_reason": "unknown"}),
    (
        c.Done(usage=TokenUsage(input_tokens=9, output_tokens=0), finish_reason=c.FinishReason.TOOL_CALLS, model="m"),
        {
            "type": "done",
            "usage": {"input_tokens": 9, "output_tokens": 0},
            "finish_reason": "tool_calls",
            "model": "m",
        },
    ),
    (
        c.Error("too many", kind=ErrorKind.RATE_LIMITED, status=429, retryable=True),
        {"type": "error", "message": "too many", "kind": "rate_limited", "status": 429, "retryable": True},
    ),
    (
        c.Narration(c.PublicNarration("Reading", "two files"), c.NarrationStage.CONTEXT),
        {"type": "narration", "narration": {"title": "Reading", "message": "two files"}, "stage": "context"},
    ),
    (
        c.TaskRuntimeSnapshot(c.RuntimeSnapshot("r", open_tasks=[c.RuntimeTask("1", "plan", "open")])),
        {
            "type": "task_runtime_snapshot",
            "snapshot": {"root_task_id": "r", "open_tasks": [{"id": "1", "name": "plan", "status": "open"}]},
        },
    ),
    (
        c.ShellOutput(process_id="7", stream=c.ShellOutputStream.STDERR, data="\x1b[31m"),
        {"type": "shell_output", "process_id": "7", "stream": "stderr", "data": "\x1b[31m"},
    ),
]


def every_field(cls: type, **known: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Instances with every field drawn by its type, optional ones too; `known` says how where the type can't."""
    return st.builds(cls, **{field.name: ... for field in attrs.fields(attrs.resolve_types(cls))} | known)


USAGES = st.none() | every_field(TokenUsage)
TASKS = every_field(c.RuntimeTask)
SNAPSHOTS = every_field(c.RuntimeSnapshot, current_task=st.none() | TASKS)
PARTIALS = st.none() | conversations().map(lambda turns: turns[-1])
REQUESTS = st.none() | requests()
KNOWN: dict[type, dict[str, st.SearchStrategy[Any]]] = {
    c.Narration: {"narration": every_field(c.PublicNarration)},
    c.TaskRuntimeSnapshot: {"snapshot": SNAPSHOTS},
    c.TokenUsageUpdate: {"estimated_cost": st.floats(allow_nan=False, allow_infinity=False)},
    c.Done: {"usage": USAGES},
    c.Cancelled: {"usage": USAGES, "partial": PARTIALS},
    c.Paused: {"usage": USAGES, "partial": PARTIALS, "request": REQUESTS},
    c.Error: {"usage": USAGES, "partial": PARTIALS, "retry_after": st.none() | st.floats(allow_nan=False)},
}
CHUNKS: st.SearchStrategy[c.StreamChunk] = st.one_of(
    every_field(kind, **KNOWN.get(kind, {})) for kind in c.CHUNK_CLASSES
)


def told_fields(cls: type) -> str:
    """The fields of a class in the notation of the tables above."""
    marks = {
        field.name: "" if field.default is attrs.NOTHING else "!" if field.metadata.get("always") else "?"
        for field in attrs.fields(cls)
    }
    return " ".join(name + mark for name, mark in marks.items())


def test_the_table_is_complete() -> None:
    """These are all the chunks there are."""
    assert {kind for _, kind, _, _ in KINDS} == set(c.CHUNK_CLASSES)


def test_five_chunks_end_a_stream() -> None:
    """A stream ends with one of five chunks."""
    assert set(get_args(c.Ending)) == {c.Done, c.Cancelled, c.Paused, c.Error, c.ContextOverflow}


@pytest.mark.parametrize(("cls", "fields"), [(kind, fields) for _, kind, _, fields in KINDS] + PARTS)
def test_fields(cls: type, fields: str) -> None:
    """Each class has the fields of the table, in its order, and those marked may be left out."""
    assert fields == told_fields(cls)


@pytest.mark.parametrize(("kind", "delivery"), [(kind, delivery) for _, kind, delivery, _ in KINDS])
def test_delivery(kind: type[c.StreamChunk], delivery: Delivery) -> None:
    """Content waits for its reader; news of the moment may be dropped."""
    assert delivery is kind.delivery


@pytest.mark.parametrize(("words", "values"), ENUMS)
def test_enums(words: type[enum.Enum], values: str) -> None:
    """Enums have these values, in this order."""
    assert values.split() == [member.value for member in words]


@given(CHUNKS)
def test_a_chunk_survives_json(chunk: c.StreamChunk) -> None:
    """A chunk written as JSON text and read back is the same chunk."""
    assert chunk == from_json(json.loads(json.dumps(to_json(chunk))))


@given(CHUNKS)
def test_the_tag_comes_first_and_names_the_kind(chunk: c.StreamChunk) -> None:
    """`type` is the first key, and its value is the kind's tag in the table."""
    tags = {kind: tag for tag, kind, _, _ in KINDS}

    assert ("type", tags[type(chunk)]) == next(iter(to_json(chunk).items()))


@given(CHUNKS)
def test_empty_optional_fields_are_left_out(chunk: c.StreamChunk) -> None:
    """JSON holds the fields that are required or always told, and of the others those that say something."""
    said = {
        field.name
        for field in attrs.fields(type(chunk))
        if field.default is attrs.NOTHING or field.metadata.get("always") or getattr(chunk, field.name) != field.default
    }

    assert said | {"type"} == set(to_json(chunk))


@pytest.mark.parametrize(("chunk", "expected"), EXAMPLES)
def test_json_examples(chunk: c.StreamChunk, expected: dict[str, Any]) -> None:
    """Nested parts leave out what is empty too; a count of zero and an empty required text are not empty."""
    assert expected == to_json(chunk)


@given(CHUNKS)
def test_chunks_are_values(chunk: c.StreamChunk) -> None:
    """A chunk can't be changed, and carries no dictionary."""
    first = next(iter(attrs.fields(type(chunk))))

    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        setattr(chunk, first.name, None)
    assert not hasattr(chunk, "__dict__")


def test_fields_of_a_later_version_are_passed_over() -> None:
    """A field that this version does not know is no error: logs outlive versions."""
    assert c.Text("hi") == from_json({"type": "text", "text": "hi", "new": 1})


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"text": "no type"},
        {"type": "unheard_of"},
        {"type": "Text", "text": "the class's name is not the tag"},
        {"type": "text"},
        {"type": "text", "text": None},
        {"type": "tool_blocked", "tool_name": "t", "reason": 3},
        {"type": "agent_loop_iteration", "iteration": True},
        {"type": "done", "usage": 3},
        [{"type": "text", "text": "in a list"}],
        None,
        {"type": "done", "finish_reason": "bored"},
        {"type": "agent_loop_iteration", "iteration": "seven"},
        {"type": "task_runtime_snapshot", "snapshot": {"root_task_id": "r", "open_tasks": [{"id": "1"}]}},
    ],
    ids=str,
)
def test_what_is_no_chunk_is_refused(value: Any) -> None:
    """A JSON object that is no chunk raises what `from_json` promises."""
    with pytest.raises(ValueError, match="not a stream chunk: "):
        from_json(value)


@pytest.mark.parametrize(
    ("request_fields", "words"),
    [
        ({"messages": []}, "messages: at least one is needed"),
        ({"response_format": {"name": "a b", "schema": {"type": "object"}}}, "response_format.name: 1 to 64 letters"),
        ({"reasoning": 0}, "reasoning: 'off', 'low', 'medium', 'high' or a number of tokens, not 0"),
    ],
)
def test_a_request_that_can_not_be_is_refused_in_its_own_words(request_fields: dict[str, Any], words: str) -> None:
    """The rule that it breaks is told, and where in the chunk it stands."""
    said = {"role": "user", "parts": [{"type": "text", "text": "Hi"}]}
    paused = {"type": "paused", "request": {"messages": [said], **request_fields}}
    with pytest.raises(ValueError, match=re.escape(f"not a stream chunk: {words}") + r".* @ \$\.request"):
        from_json(paused)
