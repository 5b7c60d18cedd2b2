"""A body of OpenAI's Chat Completions as a `Request`; the way back of `gestura.providers._openai_chat_body`.

OpenAI's API reference ("Create chat completion") is the standard. What gestura has no words for is refused with the
path of the field, unless the value asks for nothing (`n: 1`); fields that change nothing about the answer, such as
`user`, are passed over. Reasoning of an earlier answer is taken back in `reasoning_content`, the name that it is given
out under.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import attrs

from gestura.conversation import Request
from gestura.errors import ConfigError
from gestura.messages import Message, Role
from gestura.parts import (
    DocumentPart,
    ImagePart,
    Part,
    RefusalPart,
    TextPart,
    ThinkingPart,
    ToolCall,
    ToolResult,
)
from gestura.request_options import NamedTool, Reasoning, ResponseFormat, Sampling, Tool, ToolChoice
from gestura.serving.json_fields import Fields, spot, take_stop, wrong
from gestura.serving.refused import Refused

__all__ = ["ChatRequest", "read_chat_request"]

ASKING_FOR_NOTHING: Final[dict[str, tuple[Any, ...]]] = {
    "audio": (),
    "frequency_penalty": (0,),
    "function_call": ("none",),
    "functions": ([],),
    "logit_bias": ({},),
    "logprobs": (False,),
    "modalities": (["text"],),
    "moderation": (),
    "n": (1,),
    "parallel_tool_calls": (True,),
    "prediction": (),
    "presence_penalty": (0,),
    "service_tier": ("auto", "default"),
    "store": (False,),
    "top_logprobs": (0,),
    "verbosity": ("medium",),
    "web_search_options": (),
}
"""Fields that gestura's requests have no words for, with the values that ask for nothing."""

WITHOUT_EFFECT: Final = ("metadata", "prompt_cache_key", "prompt_cache_retention", "safety_identifier", "user")
"""Fields for OpenAI's own accounts: they change nothing about the answer."""

EFFORTS: Final[dict[str, Reasoning]] = {"none": "off", "low": "low", "medium": "medium", "high": "high"}

LONGEST: Final = ("max_completion_tokens", "max_tokens")
"""Two names of one thing; the first one goes before."""

NAMES: Final = (
    (re.compile(r"^sampling\."), ""),
    (re.compile(r"^(tools\[\d+\])\."), r"\1.function."),
    (re.compile(r"^response_format\."), "response_format.json_schema."),
    (re.compile(r"^(messages\[\d+\])\..*"), r"\1"),
)
"""What a path of our request is called in the body. Parts of messages have no one place there."""

MESSAGE_NUMBER: Final = re.compile(r"messages\[(\d+)\]")

DATA_URL: Final = re.compile(r"data:(?P<type>[\w.+-]+/[\w.+-]+);base64,(?P<data>.*)", re.DOTALL)
"""With bytes in base64, which is all that OpenAI takes (RFC 2397 has more)."""


@attrs.frozen(kw_only=True)
class ChatRequest:
    """What a caller asks for.

    Args:
        model: the name that the caller gave.
        request: the question.
        stream: as events; else as one object.
        tells_usage: a stream shall end with its token counts.
    """

    model: str
    request: Request
    stream: bool = False
    tells_usage: bool = False


def read_chat_request(body: Any) -> ChatRequest:
    """What a JSON body asks for.

    Raises:
        Refused: it is no such body, or asks for what can't be; the message and `path` say where.
    """
    fields = Fields("", body)
    for name, admitted in ASKING_FOR_NOTHING.items():
        fields.only(name, admitted)
    for name in WITHOUT_EFFECT:
        fields.take_any(name)
    model = fields.need("model", str)
    stream = fields.take("stream", bool, False)  # as in `dict.get`
    tells_usage = _stream_options(fields)
    system, messages = _messages(fields.need("messages", list))
    tools = tuple(_tool(spot("tools", n), each) for n, each in enumerate(fields.take("tools", list, [])))
    options: dict[str, Any] = {
        "tools": tools,
        "tool_choice": _tool_choice(fields, has_tools=bool(tools)),
        "sampling": _sampling(fields),
        "reasoning": _reasoning(fields),
        "response_format": _response_format(fields),
    }
    fields.close()
    try:
        request = Request(messages=messages, system=system, **options)
    except ConfigError as error:
        raise _as_sent(str(error), len(system), body) from None
    return ChatRequest(model=model, request=request, stream=stream, tells_usage=tells_usage)


def _as_sent(problem: str, above: int, body: Mapping[str, Any]) -> Refused:
    """What is wrong with the request, with the names of the body.

    Its messages are counted as in the body, where `above` system ones are first.
    """
    told = MESSAGE_NUMBER.sub(lambda found: f"messages[{int(found[1]) + above}]", problem)
    path, colon, words = told.partition(": ")
    if path == "sampling.max_output_tokens":
        path = next(name for name in LONGEST if body.get(name) is not None)
    for ours, theirs in NAMES:
        path = ours.sub(theirs, path)
    return wrong(path if colon else "", words or told)


def _stream_options(fields: Fields) -> bool:
    options = fields.take("stream_options", dict)
    if options is None:
        return False
    inner = Fields("stream_options", options)
    tells_usage = inner.take("include_usage", bool, False)
    inner.take("include_obfuscation", bool)  # padding against eavesdroppers who count bytes; there is none here
    inner.close()
    return tells_usage


def _sampling(fields: Fields) -> Sampling:
    longest = [fields.take(name, int) for name in LONGEST]
    return Sampling(
        temperature=fields.take("temperature", float),
        top_p=fields.take("top_p", float),
        max_output_tokens=next((each for each in longest if each is not None), None),
        seed=fields.take("seed", int),
        stop=take_stop(fields),
    )


def _reasoning(fields: Fields) -> Reasoning | None:
    effort = fields.take("reasoning_effort", str)
    if effort is None:
        return None
    if effort not in EFFORTS:
        raise wrong("reasoning_effort", f"expected one of {', '.join(EFFORTS)}")
    return EFFORTS[effort]


def _response_format(fields: Fields) -> ResponseFormat | None:
    shape = fields.take("response_format", dict)
    if shape is None:
        return None
    outer = Fields("response_format", shape)
    made = None
    match outer.need("type", str):
        case "text":
            pass
        case "json_object":
            made = ResponseFormat(name="answer", schema={"type": "object"}, strict=False)
        case "json_schema":
            inner = Fields("response_format.json_schema", outer.need("json_schema", dict))
            made = ResponseFormat(
                name=inner.need("name", str),
                schema=inner.need("schema", dict),
                description=inner.take("description", str, ""),
                strict=inner.take("strict", bool, False),
            )
            inner.close()
        case _:
            raise wrong("response_format.type", "expected text, json_object or json_schema")
    outer.close()
    return made


def _tool(path: str, value: Any) -> Tool:
    outer = Fields(path, value)
    if outer.need("type", str) != "function":
        raise wrong(spot(path, "type"), "only tools of type function can be offered here")
    inner = Fields(spot(path, "function"), outer.need("function", dict))
    tool = Tool(
        name=inner.need("name", str),
        description=inner.take("description", str, ""),
        parameters=inner.take("parameters", dict, {"type": "object", "properties": {}}),
        strict=inner.take("strict", bool),
    )
    inner.close()
    outer.close()
    return tool


def _tool_choice(fields: Fields, *, has_tools: bool) -> ToolChoice | None:
    match fields.take_any("tool_choice"):
        case None:
            return None
        case "auto" | "none" as word if not has_tools:
            return "none" if word == "none" else None  # OpenAI takes both without tools
        case "auto" | "none" | "required" as word:
            return word  # type: ignore[no-any-return]
        case {"type": "function", "function": {"name": str(name)}}:
            return NamedTool(name)
        case _:
            raise wrong("tool_choice", 'expected auto, none, required or {"type": "function", "function": {"name": …}}')


def _messages(values: list[Any]) -> tuple[tuple[TextPart, ...], tuple[Message, ...]]:
    """The instructions above the conversation, and the conversation."""
    system: list[TextPart] = []
    messages: list[Message] = []
    for number, value in enumerate(values):
        path = spot("messages", number)
        fields = Fields(path, value)
        fields.only("name", ())
        match fields.need("role", str):
            case "system" | "developer":
                if messages:
                    raise wrong(spot(path, "role"), "instructions stand above the conversation: put them first")
                system.append(TextPart("".join(part.text for part in _texts(fields))))
            case "user":
                content = fields.take_any("content")
                messages.append(Message(Role.USER, _content(spot(path, "content"), content, _user_part)))
            case "assistant":
                messages.append(Message(Role.ASSISTANT, tuple(_said(fields))))
            case "tool":
                result = ToolResult(fields.need("tool_call_id", str), tuple(_texts(fields)))
                messages.append(Message(Role.USER, (result,)))
            case _:
                raise wrong(spot(path, "role"), "expected system, developer, user, assistant or tool")
        fields.close()
    return tuple(system), tuple(messages)


def _said(fields: Fields) -> Iterator[Part]:
    """What the model said."""
    fields.only("audio", ())
    fields.only("function_call", ())
    fields.only("annotations", ([],))
    if reasoning := fields.take("reasoning_content", str):
        yield ThinkingPart(reasoning)
    content = fields.take_any("content")
    if content is not None and content != "":
        yield from _content(fields.at("content"), content, _model_part)
    if refusal := fields.take("refusal", str):
        yield RefusalPart(refusal)
    for number, value in enumerate(fields.take("tool_calls", list, [])):
        path = spot(fields.at("tool_calls"), number)
        outer = Fields(path, value)
        outer.take_any("index")  # of a stream's delta, which some callers send back as it came
        if outer.take("type", str, "function") != "function":
            raise wrong(spot(path, "type"), "only calls of type function can be told here")
        inner = Fields(spot(path, "function"), outer.need("function", dict))
        yield ToolCall(outer.need("id", str), inner.need("name", str), inner.take("arguments", str, ""))
        inner.close()
        outer.close()


def _texts(fields: Fields) -> list[TextPart]:
    return list(_content(fields.at("content"), fields.take_any("content"), _text_part))


def _content(path: str, value: Any, read: Any) -> tuple[Any, ...]:
    """Content: a string, or parts that `read` reads."""
    match value:
        case str():
            return (TextPart(value),)
        case list():
            return tuple(read(spot(path, number), each) for number, each in enumerate(value))
        case _:
            raise wrong(path, "expected a string or an array of parts")


def _text_part(path: str, value: Any) -> TextPart:
    part = _model_part(path, value)
    if not isinstance(part, TextPart):
        raise wrong(spot(path, "type"), "expected text")
    return part


def _model_part(path: str, value: Any) -> TextPart | RefusalPart:
    fields = Fields(path, value)
    match fields.need("type", str):
        case "text":
            part: TextPart | RefusalPart = TextPart(fields.need("text", str))
        case "refusal":
            part = RefusalPart(fields.need("refusal", str))
        case _:
            raise wrong(spot(path, "type"), "expected text or refusal")
    fields.close()
    return part


def _user_part(path: str, value: Any) -> Part:
    fields = Fields(path, value)
    part: Part
    match fields.need("type", str):
        case "text":
            part = TextPart(fields.need("text", str))
        case "image_url":
            part = _image(Fields(spot(path, "image_url"), fields.need("image_url", dict)))
        case "file":
            part = _file(Fields(spot(path, "file"), fields.need("file", dict)))
        case _:
            raise wrong(spot(path, "type"), "expected text, image_url or file")
    fields.close()
    return part


def _image(fields: Fields) -> ImagePart:
    fields.only("detail", ("auto",))
    url = fields.need("url", str)
    fields.close()
    if not url.startswith("data:"):
        return ImagePart(url=url)
    media_type, data = _held(fields.at("url"), url)
    return ImagePart(data=data, media_type=media_type)


def _file(fields: Fields) -> DocumentPart:
    fields.only("file_id", ())  # of a file that lies with OpenAI
    name = fields.take("filename", str)
    media_type, data = _held(fields.at("file_data"), fields.need("file_data", str))
    fields.close()
    return DocumentPart(data=data, media_type=media_type, name=name)


def _held(path: str, url: str) -> tuple[str, bytes]:
    """The type and the bytes of a `data:` URL."""
    found = DATA_URL.fullmatch(url)
    try:
        data = base64.b64decode(found["data"], validate=True) if found else b""
    except binascii.Error:
        data = b""
    if not found or not data:
        raise wrong(path, "expected data:TYPE;base64,… with some bytes")
    return found["type"], data
