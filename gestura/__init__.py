"""gestura: one typed stream of chunks from any language-model provider, on supervised Trio actors.

The layers, each importing only what stands to its right: `cli`, `simulator` → `_client` → `_actors` → `providers` →
`stages`, `transport` → `chunks`, `conversation`, `config`, `pricing` → `usage`, `environment`, `errors`, `limits`,
`delivery`.
"""

from gestura._actors.statistics import ActorStatistics, StreamStatistics
from gestura._client import Client, open_client
from gestura._stream import ChunkStream
from gestura.answer import Answer
from gestura.cancellation import CancellationToken
from gestura.chat_dialect import ChatDialect
from gestura.chunk_json import from_json, to_json
from gestura.chunks import *  # noqa: F403  # the vocabulary is the API
from gestura.chunks import __all__ as _chunk_names
from gestura.config import AfterOutput, ProviderSettings, RetryPolicy, StreamingConfig, Timeouts
from gestura.config_file import load_config
from gestura.conversation import Request
from gestura.delivery import Delivery
from gestura.errors import (
    ConfigError,
    ErrorKind,
    GesturaError,
    InternalError,
    LimitExceeded,
    ProtocolError,
    StreamFailed,
    TransportError,
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

__all__ = [
    *_chunk_names,
    "ActorStatistics",
    "AfterOutput",
    "Answer",
    "CancellationToken",
    "ChatDialect",
    "ChunkStream",
    "Client",
    "ConfigError",
    "Delivery",
    "DocumentPart",
    "ErrorKind",
    "GesturaError",
    "ImagePart",
    "InternalError",
    "LimitExceeded",
    "Limits",
    "Message",
    "NamedTool",
    "ProtocolError",
    "ProviderSettings",
    "RefusalPart",
    "Request",
    "ResponseFormat",
    "RetryPolicy",
    "Role",
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
    "assistant",
    "context_window",
    "document",
    "estimate_cost",
    "from_json",
    "image",
    "load_config",
    "open_client",
    "split_think_blocks",
    "to_json",
    "tool_result",
    "user",
]
