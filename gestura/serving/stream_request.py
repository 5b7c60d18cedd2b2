"""The body of `POST /v1/streams` as a `Request`: gestura's own terms, as JSON.

    {"prompt": "Why is the sky blue?", "provider": "anthropic", "sampling": {"max_output_tokens": 200}}

Instead of `prompt` there can be `messages`, as `gestura.messages_to_json` writes them. The other fields are those of
`gestura.Request`; a tool can also be written as a provider writes it, and a format as its JSON Schema.
"""

from __future__ import annotations

from typing import Any

import attrs
import cattrs

from gestura.chunk_json import converter, in_words
from gestura.conversation import Request
from gestura.conversation_json import messages_from_json
from gestura.errors import ConfigError
from gestura.messages import Message, user
from gestura.parts import TextPart
from gestura.request_options import Reasoning, ResponseFormat, Sampling, Tool, ToolChoice
from gestura.response_formats import response_format
from gestura.serving.json_fields import Fields, spot, take_stop, wrong
from gestura.tool_schemas import read_tool

__all__ = ["StreamRequest", "read_stream_request"]


@attrs.frozen(kw_only=True)
class StreamRequest:
    """What a caller asks for, and whom.

    Args:
        request: the question.
        provider: the configuration's primary one where it is `None`.
        model: the provider's own where it is `None`.
    """

    request: Request
    provider: str | None = None
    model: str | None = None


def read_stream_request(body: Any) -> StreamRequest:
    """What a JSON body asks for.

    Raises:
        Refused: it is no such body; the message and `path` say where.
    """
    fields = Fields("", body)
    provider, model = fields.take("provider", str), fields.take("model", str)
    options = {
        "messages": _messages(fields),
        "system": _system(fields.take_any("system")),
        "tools": tuple(_tool(spot("tools", n), each) for n, each in enumerate(fields.take("tools", list, []))),
        "tool_choice": _structured("tool_choice", fields.take_any("tool_choice"), ToolChoice | None),
        "sampling": _sampling(Fields("sampling", fields.take("sampling", dict, {}))),
        "reasoning": _structured("reasoning", fields.take_any("reasoning"), Reasoning | None),
        "response_format": _format(fields.take("response_format", dict)),
        "extra": fields.take("extra", dict, {}),
    }
    fields.close()
    try:
        return StreamRequest(request=Request(**options), provider=provider, model=model)
    except ConfigError as error:
        path, colon, words = str(error).partition(": ")
        raise wrong(path if colon else "", words or str(error)) from None


def _messages(fields: Fields) -> tuple[Message, ...]:
    prompt, messages = fields.take("prompt", str), fields.take_any("messages")
    if (prompt is None) == (messages is None):
        raise wrong("prompt", "expected either prompt, a string, or messages, an array")
    if prompt == "":
        raise wrong("prompt", "must not be empty")
    if prompt is not None:
        return (user(prompt),)
    try:
        return messages_from_json(messages)
    except ValueError as error:
        path, colon, words = str(error).partition(": ")
        raise wrong(path if colon else "messages", words or str(error)) from None


def _system(value: Any) -> tuple[TextPart, ...]:
    match value:
        case None:
            return ()
        case str():
            return (TextPart(value),)
        case list():
            return tuple(_structured(spot("system", n), _untagged(each), TextPart) for n, each in enumerate(value))
        case _:
            raise wrong("system", "expected a string or an array of text parts")


def _sampling(fields: Fields) -> Sampling:
    sampling = Sampling(
        temperature=fields.take("temperature", float),
        top_p=fields.take("top_p", float),
        max_output_tokens=fields.take("max_output_tokens", int),
        seed=fields.take("seed", int),
        stop=take_stop(fields),
    )
    fields.close()
    return sampling


def _untagged(part: Any) -> Any:
    if isinstance(part, dict) and part.get("type") == "text":
        return {name: value for name, value in part.items() if name != "type"}
    return part


def _tool(path: str, value: Any) -> Tool:
    if not isinstance(value, dict) or value.keys() <= attrs.fields_dict(Tool).keys():
        tool: Tool = _structured(path, value, Tool)
        return tool
    try:
        return read_tool(value)
    except ConfigError as error:
        raise wrong(path, str(error)) from None


def _format(value: Any) -> ResponseFormat | None:
    if value is None:
        return None
    if "schema" in value:
        made: ResponseFormat = _structured("response_format", value, ResponseFormat)
        return made
    try:
        return response_format(value)
    except ConfigError as error:
        raise wrong("response_format", str(error)) from None


def _structured(path: str, value: Any, kind: Any) -> Any:
    try:
        return converter(unknown_keys=False).structure(value, kind)
    except cattrs.BaseValidationError as error:
        words, _, where = cattrs.transform_error(error, path, format_exception=in_words)[0].rpartition(" @ ")
        raise wrong(where, words) from None
    except (TypeError, ConfigError) as error:
        raise wrong(path, str(error)) from None
