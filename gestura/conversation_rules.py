"""What a request may be, whoever is asked: every rule, with an error that names the path and says what would be right.

These are the rules that all providers share. What a single provider can't express is its own file's to refuse, before
anything is sent, too.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final, NoReturn, TypeVar, get_args

from gestura.errors import ConfigError, ErrorKind
from gestura.messages import Message, Role
from gestura.parts import (
    CacheTime,
    DocumentPart,
    ImagePart,
    Part,
    RefusalPart,
    ResultPart,
    TextPart,
    ThinkingPart,
    ToolCall,
    ToolResult,
)
from gestura.request_options import NamedTool, Sampling, Tool

if TYPE_CHECKING:
    from gestura.conversation import Request

__all__ = ["LONGEST_TOOL_NAME", "TOOL_NAME", "check"]

_P = TypeVar("_P", ToolCall, ToolResult)

PARTS_BY_ROLE: Final[Mapping[Role, tuple[type, ...]]] = {
    Role.USER: (TextPart, ImagePart, DocumentPart, ToolResult),
    Role.ASSISTANT: (TextPart, ThinkingPart, ToolCall, RefusalPart),
}
LONGEST_TOOL_NAME: Final = 64
TOOL_NAME: Final = re.compile(rf"[A-Za-z0-9_-]{{1,{LONGEST_TOOL_NAME}}}")
"""What OpenAI and Anthropic admit as the name of a tool; the other providers admit more."""


def check(request: Request) -> None:
    """Raise for what can't be.

    Raises:
        ConfigError: what is wrong, where, and what would be right.
    """
    if not request.messages:
        _refuse("messages", "at least one is needed")
    for number, message in enumerate(request.messages):
        _check_message(f"messages[{number}]", message)
    for number, part in enumerate(request.system):
        if not isinstance(part, TextPart):
            _refuse(f"system[{number}]", f"a str or gestura.TextPart, not {type(part).__name__}")
        _check_part(f"system[{number}]", part)
    _check_pairing(request.messages)
    _check_tools(request)
    _check_sampling(request.sampling)
    _check_reasoning(request)
    if not isinstance(request.extra, Mapping) or not all(isinstance(name, str) for name in request.extra):
        _refuse("extra", "a mapping from names of fields to their values")


def _refuse(path: str, why: str) -> NoReturn:
    raise ConfigError(f"{path}: {why}", kind=ErrorKind.BAD_REQUEST)


def _check_message(path: str, message: Message) -> None:
    if not isinstance(message, Message):
        _refuse(path, f"a gestura.Message, not {type(message).__name__}")
    if not isinstance(message.role, Role):
        _refuse(f"{path}.role", f"gestura.Role.USER or gestura.Role.ASSISTANT, not {message.role!r}")
    if not message.parts and message.role is Role.USER:  # an answer may be empty, and goes into the history as it is
        _refuse(f"{path}.parts", "at least one is needed")
    for number, part in enumerate(message.parts):
        where = f"{path}.parts[{number}]"
        if not isinstance(part, get_args(Part)):
            _refuse(where, f"a part such as gestura.TextPart, not {type(part).__name__}")
        if not isinstance(part, PARTS_BY_ROLE[message.role]):
            other = "model" if message.role is Role.USER else "user"
            _refuse(where, f"{type(part).__name__} belongs into a message of the {other}'s")
        _check_part(where, part)


def _check_part(path: str, part: Part) -> None:
    match part:
        case TextPart() | RefusalPart():
            _check_text(f"{path}.text", part.text)
        case ThinkingPart():
            _check_text(f"{path}.text", part.text)
            _check_seal(path, part)
            if part.redacted and not part.signature:
                _refuse(f"{path}.signature", "redacted thinking has nothing else")
        case ImagePart() | DocumentPart():
            _check_file(path, part)
        case ToolCall():
            _check_text(f"{path}.id", part.id)
            _check_text(f"{path}.arguments", part.arguments)
            _check_name(f"{path}.name", part.name)
            _check_seal(path, part)
            if not part.id:
                _refuse(f"{path}.id", "must not be blank")
        case ToolResult():
            _check_result(path, part)
    cache = getattr(part, "cache", None)
    if cache is not None and cache not in get_args(CacheTime):
        _refuse(f"{path}.cache", f"'5m' or '1h', not {cache!r}")


def _check_seal(path: str, part: ThinkingPart | ToolCall) -> None:
    if part.signature is not None:
        _check_text(f"{path}.signature", part.signature)
        if not part.sealed_by:
            _refuse(f"{path}.sealed_by", "a signature needs the wire format that it belongs to, such as 'anthropic'")


def _check_text(path: str, text: object) -> None:
    if not isinstance(text, str):
        _refuse(path, f"a str, not {type(text).__name__}")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            _refuse(path, f"half of a surrogate pair at character {error.start}, which can't be sent")


def _check_file(path: str, part: ImagePart | DocumentPart) -> None:
    what = "image" if isinstance(part, ImagePart) else "document"
    if (part.data is None) == (part.url is None):
        _refuse(f"{path}.{what}", "either data or url")
    if part.data is not None:
        if not isinstance(part.data, bytes) or not part.data:
            _refuse(f"{path}.{what}.data", "some bytes")
        if part.media_type is None:
            _refuse(f"{path}.{what}.media_type", f"bytes need their type; gestura.{what}() finds it out")
    if part.url is not None and not str(part.url).startswith(("https://", "http://", "data:", "gs://")):
        _refuse(f"{path}.{what}.url", "an address that begins with https://; a file is read by its pathlib.Path")
    if part.media_type is not None and not re.fullmatch(r"[\w.+-]+/[\w.+-]+", part.media_type):
        _refuse(f"{path}.{what}.media_type", f"such as {'image/png' if what == 'image' else 'application/pdf'}")
    if what == "image" and part.media_type is not None and not part.media_type.startswith("image/"):
        _refuse(f"{path}.image.media_type", f"{part.media_type} is no image; a document goes into gestura.document()")
    if isinstance(part, DocumentPart) and part.name is not None:
        _check_text(f"{path}.document.name", part.name)


def _check_result(path: str, part: ToolResult) -> None:
    _check_text(f"{path}.call_id", part.call_id)
    if not isinstance(part.content, tuple):
        _refuse(f"{path}.content", "a tuple of parts")
    for number, piece in enumerate(part.content):
        where = f"{path}.content[{number}]"
        if not isinstance(piece, get_args(ResultPart)):
            _refuse(where, f"text, an image or a document, not {type(piece).__name__}")
        _check_part(where, piece)


def _check_pairing(messages: tuple[Message, ...]) -> None:
    """Each call has one result, in the user's turn that follows, before anything else; every provider wants it so."""
    waiting: dict[str, str] = {}
    for number, message in enumerate(messages):
        path = f"messages[{number}]"
        if message.role is Role.ASSISTANT:
            _check_all_answered(waiting)
            for where, call in _located(path, message, ToolCall):
                if call.id in waiting:
                    _refuse(f"{where}.id", f"{call.id!r} is the id of another call of this message")
                waiting[call.id] = where
            continue
        for where, result in _located(path, message, ToolResult):
            if waiting.pop(result.call_id, None) is None:
                _refuse(f"{where}.call_id", f"{result.call_id!r} is no call that waits for a result here")
        if waiting and not message.tool_results:
            _check_all_answered(waiting)
    _check_all_answered(waiting)


def _check_all_answered(waiting: dict[str, str]) -> None:
    for call_id, path in waiting.items():
        _refuse(path, f"the call {call_id!r} has no result; gestura.tool_result() makes one")


def _located(path: str, message: Message, kind: type[_P]) -> Iterator[tuple[str, _P]]:
    for number, part in enumerate(message.parts):
        if isinstance(part, kind):
            yield f"{path}.parts[{number}]", part


def _check_name(path: str, name: object) -> None:
    if not isinstance(name, str) or not TOOL_NAME.fullmatch(name):
        _refuse(path, f"1 to 64 letters, digits, '_' and '-', not {name!r}")


def _check_tools(request: Request) -> None:
    names = set()
    for number, tool in enumerate(request.tools):
        path = f"tools[{number}]"
        if not isinstance(tool, Tool):
            _refuse(path, f"a gestura.Tool, not {type(tool).__name__}")
        _check_name(f"{path}.name", tool.name)
        _check_text(f"{path}.description", tool.description)
        if tool.parameters is not None or not tool.schemas:
            _check_schema(f"{path}.parameters", tool.parameters)
        if tool.name in names:
            _refuse(f"{path}.name", f"{tool.name!r} is the name of another tool")
        names.add(tool.name)
    match request.tool_choice:
        case None | "none":
            pass
        case "auto" | "required":
            if not names:
                _refuse("tool_choice", "there are no tools to choose from")
        case NamedTool(name):
            if name not in names:
                _refuse("tool_choice", f"there is no tool {name!r}")
        case other:
            _refuse("tool_choice", f"'auto', 'required', 'none' or gestura.NamedTool(…), not {other!r}")
    if request.response_format is not None:
        _check_name("response_format.name", request.response_format.name)
        _check_schema("response_format.schema", request.response_format.schema)


def _check_schema(path: str, schema: object) -> None:
    if not isinstance(schema, Mapping) or schema.get("type") != "object":
        _refuse(path, 'a JSON Schema with "type": "object"')


def _check_sampling(sampling: Sampling) -> None:
    _check_number("sampling.temperature", sampling.temperature, 0, 2)
    _check_number("sampling.top_p", sampling.top_p, 0, 1)
    _check_number("sampling.max_output_tokens", sampling.max_output_tokens, 1, whole=True)
    _check_number("sampling.seed", sampling.seed, -math.inf, whole=True)
    for number, stop in enumerate(sampling.stop):
        _check_text(f"sampling.stop[{number}]", stop)
        if not stop:
            _refuse(f"sampling.stop[{number}]", "must not be blank")


def _check_number(path: str, value: object, low: float, high: float = math.inf, *, whole: bool = False) -> None:
    if value is None:
        return
    kinds = (int,) if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds) or not low <= value <= high:
        limits = f"from {low} to {high}" if high < math.inf else f"of at least {low}" if low > -math.inf else ""
        _refuse(path, f"a {'whole ' if whole else ''}number {limits}".rstrip() + f", not {value!r}")


def _check_reasoning(request: Request) -> None:
    match request.reasoning:
        case None | "off" | "low" | "medium" | "high":
            pass
        case bool():
            _refuse("reasoning", "'off', 'low', 'medium', 'high' or a number of tokens")
        case int(tokens) if tokens > 0:
            pass
        case other:
            _refuse("reasoning", f"'off', 'low', 'medium', 'high' or a number of tokens, not {other!r}")
