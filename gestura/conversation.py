"""What goes in: messages, tools, and the request that holds them.

A prompt is a conversation of one message; `Request.of` accepts all three forms.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import attrs

from gestura.errors import ConfigError

if TYPE_CHECKING:
    from gestura.chunks import PartialAnswer

__all__ = ["Message", "Prompt", "Request", "Role", "Sampling", "TextPart", "Tool", "ToolCall", "assistant", "user"]


class Role(enum.Enum):
    """Who speaks."""

    USER = "user"
    ASSISTANT = "assistant"


@attrs.frozen
class TextPart:
    """Plain text."""

    text: str


Part = TextPart
"""What a message is made of."""


@attrs.frozen
class Message:
    """One turn of a conversation."""

    role: Role
    parts: tuple[Part, ...]

    @property
    def text(self) -> str:
        """The text parts, joined."""
        return "".join(part.text for part in self.parts if isinstance(part, TextPart))


def user(text: str) -> Message:
    """What the user says."""
    return Message(Role.USER, (TextPart(text),))


def assistant(text: str) -> Message:
    """What the model said."""
    return Message(Role.ASSISTANT, (TextPart(text),))


@attrs.frozen(kw_only=True)
class Tool:
    """A function the model may call.

    Args:
        name: letters, digits, `_` and `-`.
        description: what it does and when to call it, for the model.
        parameters: a JSON Schema of type `object`.
    """

    name: str
    description: str = ""
    parameters: Mapping[str, Any] = attrs.field(factory=lambda: {"type": "object", "properties": {}})


@attrs.frozen
class ToolCall:
    """A complete tool call. `arguments` is JSON text, as the model wrote it."""

    id: str
    name: str
    arguments: str


@attrs.frozen(kw_only=True)
class Sampling:
    """How the model picks its words. What is `None` is left to the provider and not sent."""

    temperature: float | None = None
    top_p: float | None = None
    max_output_tokens: int | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Request:
    """One question to a model.

    Args:
        messages: the conversation, oldest first; the last one is usually the user's.
        system: instructions that stand above the conversation.
        tools: what the model may call.
        sampling: how it picks its words.
        extra: fields of the provider's own, put into the request body as they are.
    """

    messages: tuple[Message, ...]
    system: str | None = None
    tools: tuple[Tool, ...] = ()
    sampling: Sampling = Sampling()
    extra: Mapping[str, Any] = attrs.field(factory=dict)

    @classmethod
    def of(cls, prompt: Prompt) -> Request:
        """A request from a prompt, a list of messages, or a request.

        Raises:
            ConfigError: it is none of them, or it is empty.
        """
        match prompt:
            case Request():
                request = prompt
            case str():
                request = cls(messages=(user(prompt),))
            case [_, *_] | () | [] if all(isinstance(message, Message) for message in prompt):
                request = cls(messages=tuple(prompt))
            case _:
                raise ConfigError(
                    f"a prompt is a str, a list of gestura.Message or a gestura.Request, not {type(prompt).__name__}"
                )
        if not request.messages:
            raise ConfigError("messages: at least one is needed")
        return request


def continuation(request: Request, partial: PartialAnswer | None) -> Request:
    """The request that asks for the rest of an answer that was broken off.

    The part that was shown becomes the model's own turn, and a turn of the user's asks it to go on. (To let the
    conversation end with the model's turn instead is refused by some providers, and read as complete by others.)
    """
    if partial is None or not partial.text:
        return request
    return attrs.evolve(request, messages=(*request.messages, assistant(partial.text), user(GO_ON)))


GO_ON: Final = (
    "Your answer was interrupted. Go on exactly where it broke off: repeat nothing, comment on nothing, "
    "and begin with the very next character."
)

Prompt = str | Sequence[Message] | Request
"""What `Client.stream` takes."""
