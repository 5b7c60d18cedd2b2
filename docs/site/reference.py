"""The pages of the API reference: which public names are on which, so that each is on one.

What `import gestura` offers is grouped by what one wants of it; any other public module has what its `__all__` names.
A name that stands on no page, or on two, ends the build.
"""

from __future__ import annotations

from importlib import import_module
from typing import Final

import gestura

__all__ = ["PAGES", "page_of"]

NAMES: Final = {
    "asking": "open_client Client ChunkStream CancellationToken Answer StreamStatistics ActorStatistics",
    "chunks": """StreamChunk Text Thinking Refusal Signature ToolCallStart ToolCallArgs ToolCallEnd TokenUsageUpdate
        Status RetryAttempt ProviderEvent Ending Done FinishReason Cancelled Paused Error ContextOverflow Delivery
        to_json from_json""",
    "agent": """tool FunctionTool AgentRun RunLimits Confirm Denied Compact AgentLoopIteration StepDone ToolCallResult
        ToolBlocked ToolConfirmationRequired ContextCompacted ProviderToolSchemas""",
    "own_chunks": """Narration NarrationStage PublicNarration ConfigRequest MemoryBankSaved ReflectionStarted
        ReflectionComplete TaskRuntimeSnapshot RuntimeSnapshot RuntimeTask ShellOutput ShellOutputStream ShellLifecycle
        ShellProcessState ShellSessionLifecycle ShellSessionState""",
    "conversations": """Request Message Role user assistant tool_result image document TextPart ImagePart DocumentPart
        ThinkingPart RefusalPart ToolCall ToolResult Tool NamedTool Sampling messages_to_json messages_from_json
        split_think_blocks""",
    "values": "ResponseFormat response_format schema_of ParsedAnswer ObjectStream PartialJson UnfitAnswer Unfit",
    "configuration": """StreamingConfig ProviderSettings ChatDialect RetryPolicy AfterOutput Timeouts Limits
        load_config""",
    "tokens": "TokenUsage TokenParts TokenUsageStatus context_window estimate_cost",
    "errors": """GesturaError StreamFailed ConfigError ErrorKind ProtocolError TransportError LimitExceeded
        InvalidValue InternalError""",
}
"""What `import gestura` offers."""

TITLES: Final = {
    "asking": "Asking",
    "chunks": "Chunks and endings",
    "agent": "Tools and agents",
    "own_chunks": "Chunks of applications",
    "conversations": "Conversations",
    "values": "Answers as values",
    "configuration": "Configuration",
    "tokens": "Tokens and cost",
    "errors": "Errors",
}

MODULES: Final = {
    "testing": ("gestura.testing", "gestura.testing.simulation"),
    "local": ("gestura.local",),
    "relay": ("gestura.relay", "gestura.publishing"),
    "serving": ("gestura.serving",),
    "recording": ("gestura.recording", "gestura.transport.recording"),
    "observing": ("gestura.observing", "gestura.opentelemetry"),
    "simulator": ("gestura.simulator",),
    "providers": ("gestura.providers", "gestura.providers.faults", "gestura.providers.endpoints"),
    "stages": ("gestura.stages", "gestura.stages.deltas", "gestura.stages.sse", "gestura.stages.ndjson"),
    "transport": ("gestura.transport",),
}
"""Modules that are imported by name, page by page."""

PAGES: Final = (*NAMES, *MODULES)


def page_of(name: str) -> str:
    """The Markdown of a page, for mkdocstrings to fill in."""
    if name in NAMES:
        _check_whole()
        entries = "".join(_entry(f"gestura.{one}") for one in NAMES[name].split())
        return f"# {TITLES[name]}\n\nFrom `gestura`.\n{entries}"
    title, *_ = MODULES[name]
    return f"# `{title}`\n" + "".join(_module(module, is_first=module == title) for module in MODULES[name])


def _module(name: str, *, is_first: bool) -> str:
    module = import_module(name)
    heading = "" if is_first else f"\n# `{name}`\n"
    return heading + "".join(_entry(f"{name}.{one}") for one in module.__all__)


def _entry(path: str) -> str:
    return f"\n::: {path}\n"


def _check_whole() -> None:
    told = [one for names in NAMES.values() for one in names.split()]
    missing, twice = set(gestura.__all__) - set(told), {one for one in told if told.count(one) > 1}
    strange = set(told) - set(gestura.__all__)
    if missing or twice or strange:
        raise SystemExit(f"docs/site/reference.py: missing {missing}, on two pages {twice}, not offered {strange}")
