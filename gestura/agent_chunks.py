"""The chunks of an agent that embeds gestura: what it tells its user of its own work, in the stream of the answer.

gestura itself makes few of them; an agent puts them into a stream with `ChunkStream.emit`.
"""

from __future__ import annotations

import enum
from typing import ClassVar

import attrs

from gestura.delivery import Delivery

__all__ = [
    "AgentLoopIteration",
    "ConfigRequest",
    "ContextCompacted",
    "MemoryBankSaved",
    "Narration",
    "NarrationStage",
    "PublicNarration",
    "ReflectionComplete",
    "ReflectionStarted",
    "RuntimeSnapshot",
    "RuntimeTask",
    "ShellLifecycle",
    "ShellOutput",
    "ShellOutputStream",
    "ShellProcessState",
    "ShellSessionLifecycle",
    "ShellSessionState",
    "TaskRuntimeSnapshot",
    "ToolBlocked",
    "ToolCallResult",
    "ToolConfirmationRequired",
]


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

    delivery: ClassVar[Delivery] = Delivery.IF_ROOM
    narration: PublicNarration
    stage: NarrationStage


@attrs.frozen
class ToolCallResult:
    """What a tool gave back. `duration_ms` is wall time in milliseconds, `id` that of the call, where there was one."""

    delivery: ClassVar[Delivery] = Delivery.LOSSLESS
    name: str
    success: bool
    output: str
    duration_ms: int
    id: str | None = attrs.field(default=None, kw_only=True)


@attrs.frozen
class ToolConfirmationRequired:
    """A tool waits for somebody to allow it."""

    delivery: ClassVar[Delivery] = Delivery.LOSSLESS
    confirmation_id: str
    tool_name: str
    tool_args: str
    description: str
    risk_level: str
    category: str


@attrs.frozen
class ToolBlocked:
    """A tool was not run, for it was not allowed. `id` is that of the call, where there was one."""

    delivery: ClassVar[Delivery] = Delivery.LOSSLESS
    tool_name: str
    reason: str
    id: str | None = attrs.field(default=None, kw_only=True)


@attrs.frozen
class AgentLoopIteration:
    """A turn of the agent's loop begins; `iteration` counts from 0."""

    delivery: ClassVar[Delivery] = Delivery.LOSSLESS
    iteration: int


@attrs.frozen
class ContextCompacted:
    """The conversation was shortened. `tokens_saved` is an estimate."""

    delivery: ClassVar[Delivery] = Delivery.LOSSLESS
    messages_before: int
    messages_after: int
    tokens_saved: int
    summary: str


@attrs.frozen
class ConfigRequest:
    """The agent asks for a setting to be read or changed."""

    delivery: ClassVar[Delivery] = Delivery.LOSSLESS
    operation: str
    key: str
    value: str | None = None
    requires_confirmation: bool = attrs.field(kw_only=True)


@attrs.frozen
class MemoryBankSaved:
    """Messages were written to a file for a later session."""

    delivery: ClassVar[Delivery] = Delivery.LOSSLESS
    file_path: str
    session_id: str
    summary: str
    messages_saved: int


@attrs.frozen
class ReflectionStarted:
    """The agent looks back on its work."""

    delivery: ClassVar[Delivery] = Delivery.LOSSLESS
    reason: str


@attrs.frozen
class ReflectionComplete:
    """What the agent learned, and whether it was stored and promoted."""

    delivery: ClassVar[Delivery] = Delivery.LOSSLESS
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

    delivery: ClassVar[Delivery] = Delivery.IF_ROOM
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

    delivery: ClassVar[Delivery] = Delivery.LOSSLESS
    process_id: str
    shell_session_id: str | None = None
    stream: ShellOutputStream
    data: str


@attrs.frozen(kw_only=True)
class ShellLifecycle:
    """A process began, ended or changed its state."""

    delivery: ClassVar[Delivery] = Delivery.LOSSLESS
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

    delivery: ClassVar[Delivery] = Delivery.LOSSLESS
    shell_session_id: str
    state: ShellSessionState
    cwd: str | None = None
    active_process_id: str | None = None
    active_command: str | None = None
    available_for_reuse: bool
    interactive: bool
    user_managed: bool
