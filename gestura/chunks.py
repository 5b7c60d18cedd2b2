"""What comes out of a stream: `StreamChunk`, one frozen attrs class per kind, each with its `Delivery`.

Every chunk goes to JSON and back: `to_json(Text("hi"))` is `{"type": "text", "text": "hi"}`, and `from_json` gives the
same chunk again. The tag is the class's name in snake case; optional fields that are empty are left out.

An *ending* is the last chunk of a stream, and nothing follows it: `Done`, `Cancelled`, `Paused`, `Error` or
`ContextOverflow`.
"""

from __future__ import annotations

import enum
import re
from typing import Any, ClassVar, get_args

import attrs
import cattrs
from cattrs.gen import make_dict_unstructure_fn, override
from cattrs.strategies import configure_tagged_union

from gestura.conversation import Request, ToolCall
from gestura.delivery import Delivery
from gestura.errors import ErrorKind
from gestura.usage import TokenUsage, TokenUsageStatus

__all__ = [
    "AgentLoopIteration",
    "Cancelled",
    "ConfigRequest",
    "ContextCompacted",
    "ContextOverflow",
    "Done",
    "Ending",
    "Error",
    "FinishReason",
    "MemoryBankSaved",
    "Narration",
    "NarrationStage",
    "PartialAnswer",
    "Paused",
    "ProviderEvent",
    "PublicNarration",
    "ReflectionComplete",
    "ReflectionStarted",
    "Refusal",
    "RetryAttempt",
    "RuntimeSnapshot",
    "RuntimeTask",
    "ShellLifecycle",
    "ShellOutput",
    "ShellOutputStream",
    "ShellProcessState",
    "ShellSessionLifecycle",
    "ShellSessionState",
    "Signature",
    "Status",
    "StreamChunk",
    "TaskRuntimeSnapshot",
    "Text",
    "Thinking",
    "TokenUsageUpdate",
    "ToolBlocked",
    "ToolCallArgs",
    "ToolCallEnd",
    "ToolCallResult",
    "ToolCallStart",
    "ToolConfirmationRequired",
    "from_json",
    "to_json",
]


# What the model says.


@attrs.frozen
class Text:
    """A piece of the answer."""

    delivery: ClassVar = Delivery.LOSSLESS
    text: str


@attrs.frozen
class Thinking:
    """A piece of the model's reasoning, as far as the provider shows it."""

    delivery: ClassVar = Delivery.LOSSLESS
    text: str


@attrs.frozen
class Refusal:
    """A piece of the model's own words for why it does not answer, where the provider keeps them apart from text."""

    delivery: ClassVar = Delivery.LOSSLESS
    text: str


@attrs.frozen
class Signature:
    """A provider's seal on what came before it, to be sent back unchanged with it in a later turn.

    Args:
        signature: opaque to everyone but the provider.
        id: the tool call it belongs to; `None` where it seals the thinking just before it.
        redacted: it does not seal thinking but stands for it: the provider shows nothing of this part.
    """

    delivery: ClassVar = Delivery.LOSSLESS
    signature: str
    id: str | None = None
    redacted: bool = False


@attrs.frozen
class ToolCallStart:
    """The model calls a tool. Its `ToolCallArgs` and its `ToolCallEnd` follow, with nothing of another call between.

    Args:
        id: unique within the stream; the provider's own where it gave one.
        name: the function's name.
    """

    delivery: ClassVar = Delivery.LOSSLESS
    id: str
    name: str


@attrs.frozen
class ToolCallArgs:
    """A piece of the JSON text of a tool call's arguments."""

    delivery: ClassVar = Delivery.LOSSLESS
    id: str
    fragment: str


@attrs.frozen
class ToolCallEnd:
    """The call is complete. A call that a broken stream left without one is unfinished: don't run it."""

    delivery: ClassVar = Delivery.LOSSLESS
    id: str


# What an agent that embeds gestura says.


class NarrationStage(enum.Enum):
    """What part of its work an agent speaks of."""

    CONTEXT = "context"
    PLANNING = "planning"
    EXECUTION = "execution"
    VERIFICATION = "verification"
    BLOCKED = "blocked"
    PROGRESS = "progress"


@attrs.frozen
class PublicNarration:
    """What an agent tells its user about its work."""

    title: str
    message: str
    summary: str | None = None
    reason: str | None = None
    next_step: str | None = None
    evidence: list[str] = attrs.field(factory=list)


@attrs.frozen
class Narration:
    """An agent speaks of its work."""

    delivery: ClassVar = Delivery.IF_ROOM
    narration: PublicNarration
    stage: NarrationStage


@attrs.frozen
class ToolCallResult:
    """What a tool gave back. `duration_ms` is wall time in milliseconds."""

    delivery: ClassVar = Delivery.LOSSLESS
    name: str
    success: bool
    output: str
    duration_ms: int


@attrs.frozen
class ToolConfirmationRequired:
    """A tool waits for somebody to allow it."""

    delivery: ClassVar = Delivery.LOSSLESS
    confirmation_id: str
    tool_name: str
    tool_args: str
    description: str
    risk_level: str
    category: str


@attrs.frozen
class ToolBlocked:
    """A tool was not run."""

    delivery: ClassVar = Delivery.LOSSLESS
    tool_name: str
    reason: str


@attrs.frozen
class AgentLoopIteration:
    """A turn of the agent's loop begins; `iteration` counts from 0."""

    delivery: ClassVar = Delivery.LOSSLESS
    iteration: int


@attrs.frozen
class ContextCompacted:
    """The conversation was shortened. `tokens_saved` is an estimate."""

    delivery: ClassVar = Delivery.LOSSLESS
    messages_before: int
    messages_after: int
    tokens_saved: int
    summary: str


@attrs.frozen
class ConfigRequest:
    """The agent asks for a setting to be read or changed."""

    delivery: ClassVar = Delivery.LOSSLESS
    operation: str
    key: str
    value: str | None = None
    requires_confirmation: bool = attrs.field(kw_only=True)


@attrs.frozen
class MemoryBankSaved:
    """Messages were written to a file for a later session."""

    delivery: ClassVar = Delivery.LOSSLESS
    file_path: str
    session_id: str
    summary: str
    messages_saved: int


@attrs.frozen
class ReflectionStarted:
    """The agent looks back on its work."""

    delivery: ClassVar = Delivery.LOSSLESS
    reason: str


@attrs.frozen
class ReflectionComplete:
    """What the agent learned, and whether it was stored and promoted."""

    delivery: ClassVar = Delivery.LOSSLESS
    summary: str
    stored: bool
    promoted: bool


@attrs.frozen
class RuntimeTask:
    """One task of an agent's plan."""

    id: str
    name: str
    status: str


@attrs.frozen
class RuntimeSnapshot:
    """Where an agent's plan stands."""

    root_task_id: str
    current_task: RuntimeTask | None = None
    ready_tasks: list[RuntimeTask] = attrs.field(factory=list)
    parallel_ready_tasks: list[RuntimeTask] = attrs.field(factory=list)
    blocked_tasks: list[RuntimeTask] = attrs.field(factory=list)
    open_tasks: list[RuntimeTask] = attrs.field(factory=list)
    completed_tasks: list[RuntimeTask] = attrs.field(factory=list)
    missing_requirements: list[str] = attrs.field(factory=list)
    status_message: str | None = None


@attrs.frozen
class TaskRuntimeSnapshot:
    """An agent shows its plan."""

    delivery: ClassVar = Delivery.IF_ROOM
    snapshot: RuntimeSnapshot


class ShellOutputStream(enum.Enum):
    """Which of a process's outputs."""

    STDOUT = "stdout"
    STDERR = "stderr"


class ShellProcessState(enum.Enum):
    """What became of a process."""

    STARTED = "started"
    COMPLETED = "completed"
    FAILED = "failed"
    STOPPED = "stopped"
    PAUSED = "paused"
    RESUMED = "resumed"


class ShellSessionState(enum.Enum):
    """What a shell session is doing."""

    STARTING = "starting"
    IDLE = "idle"
    BUSY = "busy"
    INTERRUPTING = "interrupting"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"


@attrs.frozen(kw_only=True)
class ShellOutput:
    """What a process wrote."""

    delivery: ClassVar = Delivery.LOSSLESS
    process_id: str
    shell_session_id: str | None = None
    stream: ShellOutputStream
    data: str


@attrs.frozen(kw_only=True)
class ShellLifecycle:
    """A process began, ended or changed its state."""

    delivery: ClassVar = Delivery.LOSSLESS
    process_id: str
    shell_session_id: str | None = None
    state: ShellProcessState
    exit_code: int | None = None
    duration_ms: int | None = None
    command: str
    cwd: str | None = None


@attrs.frozen(kw_only=True)
class ShellSessionLifecycle:
    """A shell session changed its state."""

    delivery: ClassVar = Delivery.LOSSLESS
    shell_session_id: str
    state: ShellSessionState
    cwd: str | None = None
    active_process_id: str | None = None
    active_command: str | None = None
    available_for_reuse: bool
    interactive: bool
    user_managed: bool


# How the stream itself goes.


@attrs.frozen
class Status:
    """What is going on, in words for a person."""

    delivery: ClassVar = Delivery.BEST_EFFORT
    message: str


@attrs.frozen
class TokenUsageUpdate:
    """How full the context window is.

    Args:
        estimated: tokens used so far.
        limit: tokens the window holds.
        percentage: the share, in whole percent.
        status: green, yellow or red.
        estimated_cost: US dollars.
    """

    delivery: ClassVar = Delivery.BEST_EFFORT
    estimated: int
    limit: int
    percentage: int
    status: TokenUsageStatus
    estimated_cost: float


@attrs.frozen
class RetryAttempt:
    """An attempt failed, and another follows.

    Args:
        attempt: which attempt at its provider failed, from 1.
        max_attempts: how many are made at the most.
        delay_ms: milliseconds until the next one.
        error_message: why it failed.
        discard: what was shown of the answer does not count any more: the answer begins anew. Only where a stream was
            asked for with `after_output="restart"`.
    """

    delivery: ClassVar = Delivery.LOSSLESS
    attempt: int
    max_attempts: int
    delay_ms: int
    error_message: str
    discard: bool = attrs.field(default=False, kw_only=True)


@attrs.frozen
class ProviderEvent:
    """One event as the provider sent it, before the chunks it led to; only in streams asked for with `raw=True`.

    Args:
        event: the name of the server-sent event; `""` where it has none.
        data: its payload, JSON text as it came.
    """

    delivery: ClassVar = Delivery.LOSSLESS
    event: str
    data: str


# Endings.


class FinishReason(enum.Enum):
    """Why the model stopped, over all providers."""

    STOP = "stop"
    """It had said what it had to say, or met a stop sequence."""

    LENGTH = "length"
    """It reached the limit of output tokens, or the end of its context window."""

    TOOL_CALLS = "tool_calls"
    """It waits for the results of its tool calls."""

    REFUSAL = "refusal"
    """It declined to answer."""

    CONTENT_FILTER = "content_filter"
    """The provider withheld the answer."""

    PAUSE = "pause"
    """The provider paused a long turn; send the answer back to go on."""

    OTHER = "other"
    """A word of the provider's that gestura does not know: see `provider_finish_reason`."""

    UNKNOWN = "unknown"
    """The answer is complete, and the provider did not say why."""


@attrs.frozen(kw_only=True)
class Done:
    """The answer is complete.

    Args:
        usage: token counts, or `None` where the provider told none.
        finish_reason: why the model stopped, in gestura's terms.
        provider_finish_reason: the same in the provider's own word.
        model: which model answered, as the provider names it.
        provider: which provider answered.
    """

    delivery: ClassVar = Delivery.LOSSLESS
    usage: TokenUsage | None = None
    finish_reason: FinishReason = attrs.field(default=FinishReason.UNKNOWN, metadata={"always": True})
    provider_finish_reason: str | None = None
    model: str | None = None
    provider: str | None = None


@attrs.frozen(kw_only=True)
class PartialAnswer:
    """What an answer had shown when it was broken off.

    A tool call that was not complete is left out: its arguments are no JSON yet.
    """

    text: str = ""
    thinking: str = ""
    tool_calls: tuple[ToolCall, ...] = ()


@attrs.frozen(kw_only=True)
class Cancelled:
    """`CancellationToken.cancel` ended the stream.

    Args:
        usage: token counts, as far as they were told.
        partial: what was shown before; `None` for nothing.
    """

    delivery: ClassVar = Delivery.LOSSLESS
    usage: TokenUsage | None = None
    partial: PartialAnswer | None = None


@attrs.frozen(kw_only=True)
class Paused:
    """`CancellationToken.pause` ended the stream; `Client.resume` goes on from here, now or in another process.

    Args:
        usage: token counts, as far as they were told.
        partial: what was shown before; `None` for nothing.
        request: what was asked.
        provider: who was asked.
        model: which model.
    """

    delivery: ClassVar = Delivery.LOSSLESS
    usage: TokenUsage | None = None
    partial: PartialAnswer | None = None
    request: Request
    provider: str
    model: str | None = None


@attrs.frozen
class Error:
    """The stream failed. What it had shown before stands.

    Args:
        message: what went wrong, in a sentence for a person.
        kind: what sort of failure.
        provider: whose.
        status: the HTTP status, where there was one.
        code: the provider's own word for it.
        request_id: the provider's name for the request, for its support.
        retryable: another try may succeed.
        retry_after: seconds after which, if the provider said so.
        attempts: requests that were made in all.
        usage: token counts, as far as they were told.
        partial: what was shown before; `None` for nothing.
    """

    delivery: ClassVar = Delivery.LOSSLESS
    message: str
    kind: ErrorKind = attrs.field(default=ErrorKind.INTERNAL, kw_only=True, metadata={"always": True})
    provider: str | None = attrs.field(default=None, kw_only=True)
    status: int | None = attrs.field(default=None, kw_only=True)
    code: str | None = attrs.field(default=None, kw_only=True)
    request_id: str | None = attrs.field(default=None, kw_only=True)
    retryable: bool = attrs.field(default=False, kw_only=True)
    retry_after: float | None = attrs.field(default=None, kw_only=True)
    attempts: int = attrs.field(default=0, kw_only=True)
    usage: TokenUsage | None = attrs.field(default=None, kw_only=True)
    partial: PartialAnswer | None = attrs.field(default=None, kw_only=True)


@attrs.frozen
class ContextOverflow:
    """The request, or the conversation with its answer so far, is longer than the model's context window."""

    delivery: ClassVar = Delivery.LOSSLESS
    error_message: str


Ending = Done | Cancelled | Paused | Error | ContextOverflow
"""The last chunk of a stream."""

StreamChunk = (
    Thinking
    | Narration
    | Text
    | Refusal
    | Signature
    | ToolCallStart
    | ToolCallArgs
    | ToolCallEnd
    | ToolCallResult
    | RetryAttempt
    | ContextCompacted
    | TokenUsageUpdate
    | Status
    | ProviderEvent
    | ConfigRequest
    | ToolConfirmationRequired
    | ToolBlocked
    | MemoryBankSaved
    | AgentLoopIteration
    | TaskRuntimeSnapshot
    | ShellOutput
    | ShellLifecycle
    | ShellSessionLifecycle
    | ReflectionStarted
    | ReflectionComplete
    | Ending
)
"""What the user receives."""


def _tag(chunk_class: type) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", chunk_class.__name__).lower()


def _make_converter() -> cattrs.Converter:
    converter = cattrs.Converter(forbid_extra_keys=False)

    def without_empty_fields(cls: type) -> Any:
        always: Any = {f.name: override(omit_if_default=False) for f in attrs.fields(cls) if f.metadata.get("always")}
        return make_dict_unstructure_fn(cls, converter, _cattrs_omit_if_default=True, **always)

    converter.register_unstructure_hook_factory(attrs.has, without_empty_fields)
    configure_tagged_union(StreamChunk, converter, tag_name="type", tag_generator=_tag)
    return converter


_converter = _make_converter()


def to_json(chunk: StreamChunk) -> dict[str, Any]:
    """The chunk as a JSON object, its kind under `"type"`.

    >>> to_json(Text("hi"))
    {'type': 'text', 'text': 'hi'}
    """
    tagged: dict[str, Any] = _converter.unstructure(chunk, unstructure_as=StreamChunk)
    return {"type": tagged.pop("type"), **tagged}


def from_json(value: dict[str, Any]) -> StreamChunk:
    """The chunk that `to_json` made the JSON object of.

    Raises:
        cattrs.BaseValidationError, KeyError: the object is not one.

    >>> from_json({"type": "text", "text": "hi"})
    Text(text='hi')
    """
    chunk: StreamChunk = _converter.structure(value, StreamChunk)  # type: ignore[arg-type]  # a union is not a type
    return chunk


CHUNK_CLASSES: tuple[type[StreamChunk], ...] = get_args(StreamChunk)
"""Every kind of chunk."""
