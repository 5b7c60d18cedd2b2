"""gestura: one typed stream of chunks from any language-model provider, on supervised Trio actors.

The layers, each importing only what stands to its right: `cli`, `serving`, `simulator` → `relay` → `_open_client` →
`_client` → `_actors` → `providers` → `stages`, `transport` → `chunks`, `conversation`, `config`, `pricing` → `usage`,
`environment`, `errors`, `limits`, `delivery`.

What only some programs need (agents, values, JSON, the configuration file) is imported when it is first asked for, and
cattrs with it: that saves a fifth of what `import gestura` would take.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from gestura._actors.statistics import ActorStatistics, StreamStatistics
from gestura._client import Client
from gestura._open_client import open_client
from gestura._stream import ChunkStream
from gestura.agent_options import Compact, Confirm, Denied, RunLimits
from gestura.answer import Answer, ParsedAnswer
from gestura.cancellation import CancellationToken
from gestura.chat_dialect import ChatDialect
from gestura.chunks import *  # noqa: F403  # the vocabulary is the API
from gestura.chunks import __all__ as _chunk_names
from gestura.config import AfterOutput, ProviderSettings, RetryPolicy, StreamingConfig, Timeouts
from gestura.conversation import Request
from gestura.delivery import Delivery
from gestura.errors import (
    ConfigError,
    ErrorKind,
    GesturaError,
    InternalError,
    InvalidValue,
    LimitExceeded,
    ProtocolError,
    StreamFailed,
    TransportError,
    Unfit,
    UnfitAnswer,
)
from gestura.limits import Limits
from gestura.messages import Message, Role, assistant, tool_result, user
from gestura.parts import (
    DocumentPart,
    ImagePart,
    RefusalPart,
    TextPart,
    ThinkingPart,
    ToolCall,
    ToolResult,
    document,
    image,
)
from gestura.pricing import context_window, estimate_cost
from gestura.request_options import NamedTool, ResponseFormat, Sampling, Tool
from gestura.stages.think_tags import split_think_blocks
from gestura.usage import TokenParts, TokenUsage, TokenUsageStatus

if TYPE_CHECKING:
    from gestura._agent.run import AgentRun
    from gestura.chunk_json import from_json, to_json
    from gestura.config_file import load_config
    from gestura.conversation_json import messages_from_json, messages_to_json
    from gestura.json_schema import schema_of
    from gestura.object_stream import ObjectStream
    from gestura.partial_json import PartialJson
    from gestura.response_formats import response_format
    from gestura.tool_schemas import ProviderToolSchemas
    from gestura.tools import FunctionTool, tool

__all__ = [
    *_chunk_names,
    "ActorStatistics",
    "AfterOutput",
    "AgentRun",
    "Answer",
    "CancellationToken",
    "ChatDialect",
    "ChunkStream",
    "Client",
    "Compact",
    "ConfigError",
    "Confirm",
    "Delivery",
    "Denied",
    "DocumentPart",
    "ErrorKind",
    "FunctionTool",
    "GesturaError",
    "ImagePart",
    "InternalError",
    "InvalidValue",
    "LimitExceeded",
    "Limits",
    "Message",
    "NamedTool",
    "ObjectStream",
    "ParsedAnswer",
    "PartialJson",
    "ProtocolError",
    "ProviderSettings",
    "ProviderToolSchemas",
    "RefusalPart",
    "Request",
    "ResponseFormat",
    "RetryPolicy",
    "Role",
    "RunLimits",
    "Sampling",
    "StreamFailed",
    "StreamStatistics",
    "StreamingConfig",
    "TextPart",
    "ThinkingPart",
    "Timeouts",
    "TokenParts",
    "TokenUsage",
    "TokenUsageStatus",
    "Tool",
    "ToolCall",
    "ToolResult",
    "TransportError",
    "Unfit",
    "UnfitAnswer",
    "assistant",
    "context_window",
    "document",
    "estimate_cost",
    "from_json",
    "image",
    "messages_from_json",
    "messages_to_json",
    "load_config",
    "open_client",
    "response_format",
    "schema_of",
    "split_think_blocks",
    "to_json",
    "tool",
    "tool_result",
    "user",
]

_LATER: Final = {
    "AgentRun": "gestura._agent.run",
    "from_json": "gestura.chunk_json",
    "to_json": "gestura.chunk_json",
    "load_config": "gestura.config_file",
    "messages_from_json": "gestura.conversation_json",
    "messages_to_json": "gestura.conversation_json",
    "schema_of": "gestura.json_schema",
    "ObjectStream": "gestura.object_stream",
    "PartialJson": "gestura.partial_json",
    "response_format": "gestura.response_formats",
    "ProviderToolSchemas": "gestura.tool_schemas",
    "FunctionTool": "gestura.tools",
    "tool": "gestura.tools",
}
"""The module of each name that is imported when it is first asked for."""

if not TYPE_CHECKING:  # a type checker would believe that every name is here

    def __getattr__(name: str) -> Any:
        if name not in _LATER:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = found = getattr(import_module(_LATER[name]), name)
        return found

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
