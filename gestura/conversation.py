"""What goes in: the request, which holds a conversation and what is asked for with it.

A prompt is a conversation of one message; `Request.of` accepts all three forms. A request checks itself when it is made
(`gestura.conversation_rules`), so what is wrong with it is told before anything is sent, and where it is wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import attrs
import msgspec

from gestura.conversation_rules import check
from gestura.errors import ConfigError, ErrorKind
from gestura.messages import Message, assistant, user
from gestura.parts import Part, TextPart, ThinkingPart
from gestura.request_options import Reasoning, ResponseFormat, Sampling, Tool, ToolChoice

if TYPE_CHECKING:
    from gestura.tools import ToolSource

__all__ = ["Prompt", "Request", "ResponseShape", "continuation"]

ResponseShape = type[Any] | Mapping[str, Any] | ResponseFormat
"""What an answer may be asked for as: a class, a JSON Schema of type `object`, or either with a name of its own."""


def _messages(value: Iterable[Message]) -> tuple[Message, ...]:
    """Without what answers hold beside the message: a conversation can be compared, and written to JSON."""
    return tuple(
        Message(each.role, each.parts) if isinstance(each, Message) and type(each) is not Message else each
        for each in value
    )


def _system(value: str | Sequence[TextPart] | None) -> tuple[TextPart, ...]:
    if value is None:
        return ()
    return (TextPart(value),) if isinstance(value, str) else tuple(value)


def _tools(source: ToolSource) -> tuple[Tool, ...]:
    if isinstance(source, tuple) and all(isinstance(each, Tool) for each in source):
        return source
    from gestura.tools import as_tools  # here, with all that reads types and schemas: few requests need it

    return as_tools(source)


def _response_format(shape: ResponseShape | None) -> ResponseFormat | None:
    if shape is None or isinstance(shape, ResponseFormat):
        return shape
    from gestura.response_formats import response_format  # as above

    return response_format(shape)


@attrs.frozen(kw_only=True)
class Request:
    """One question to a model.

    Args:
        messages: the conversation, oldest first; the last one is usually the user's.
        system: instructions that stand above the conversation: a string, or text parts, which can be cached apart.
        tools: what the model may call: each a `Tool`, a typed function, or a dict as a provider writes it.
        tool_choice: whether it calls them; `None` leaves it to the provider, which is "as it likes".
        sampling: how it picks its words.
        reasoning: how much it reasons before it answers; `None` leaves it to the provider.
        response_format: the shape that the answer shall have, as JSON: a class, a JSON Schema, or a `ResponseFormat`;
            `None` is free text. It is kept as a `ResponseFormat`, without the class.
        extra: fields of the provider's own, put into the request body as they are.

    Raises:
        ConfigError: something in it can't be; the message names the path and says what would be right.
    """

    messages: tuple[Message, ...] = attrs.field(converter=_messages)
    system: tuple[TextPart, ...] = attrs.field(default=(), converter=_system)
    tools: tuple[Tool, ...] = attrs.field(default=(), converter=_tools)
    tool_choice: ToolChoice | None = None
    sampling: Sampling = attrs.field(default=Sampling())
    reasoning: Reasoning | None = None
    response_format: ResponseFormat | None = attrs.field(default=None, converter=_response_format)
    extra: Mapping[str, Any] = attrs.field(factory=dict)

    def __attrs_post_init__(self) -> None:
        check(self)

    @classmethod
    def of(cls, prompt: Prompt, *, response_format: ResponseShape | None = None) -> Request:
        """A request from a prompt, a list of messages, or a request.

        Args:
            prompt: what is asked.
            response_format: the shape that the answer shall have, instead of the request's own.

        Raises:
            ConfigError: it is none of them, or it is empty; or the format can be none.
        """
        match prompt:
            case Request() if response_format is None:
                return prompt
            case Request():
                return attrs.evolve(prompt, response_format=response_format)
            case str():
                return cls(messages=(user(prompt),), response_format=response_format)
            case [*messages] if all(isinstance(message, Message) for message in messages):
                return cls(messages=messages, response_format=response_format)
            case _:
                raise ConfigError(
                    f"a prompt is a str, a list of gestura.Message or a gestura.Request, not {type(prompt).__name__}",
                    kind=ErrorKind.BAD_REQUEST,
                )


def continuation(request: Request, partial: Message | None) -> Request:
    """The request that asks for the rest of an answer that was broken off.

    What was shown becomes the model's own turn, and a turn of the user's asks it to go on. (To let the conversation end
    with the model's turn instead is refused by some providers, and read as complete by others.) The turn ends with the
    last text: tool calls have no results yet, and thinking counts only under its seal.

    A provider that holds the model to a `response_format` would make it begin again, so it is told in words instead.
    """
    if partial is None:
        return request
    kept = [part for part in partial.parts if isinstance(part, TextPart) or _is_sealed(part)]
    while kept and not (isinstance(kept[-1], TextPart) and kept[-1].text):
        kept.pop()
    if not kept:
        return request
    words = GO_ON
    if request.response_format is not None:
        words += GO_ON_IN_JSON.format(msgspec.json.encode(request.response_format.schema).decode())
    return attrs.evolve(request, messages=(*request.messages, assistant(*kept), user(words)), response_format=None)


def _is_sealed(part: Part) -> bool:
    return isinstance(part, ThinkingPart) and part.signature is not None


GO_ON: Final = (
    "Your answer was interrupted. Go on exactly where it broke off: repeat nothing, comment on nothing, "
    "and begin with the very next character."
)
GO_ON_IN_JSON: Final = " Both pieces together have to be one JSON text that fits this schema: {}"

Prompt = str | Sequence[Message] | Request
"""What `Client.stream` takes."""
