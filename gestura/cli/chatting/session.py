"""What an interactive conversation knows: who is asked, what was said, and what broke off. No terminal, no files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import attrs

from gestura.chunks import Ending, Paused
from gestura.cli.chatting.turn import Turn
from gestura.config import StreamingConfig
from gestura.conversation import Request
from gestura.messages import Message, user
from gestura.parts import DocumentPart, ImagePart
from gestura.tools import FunctionTool

__all__ = ["Session"]


@attrs.define(kw_only=True)
class Session:
    """A conversation between a user and models.

    Args:
        config: who can be asked; its primary provider is asked first.
        model: which model is asked; the provider's configured one where it is `None`.
        system: instructions that stand above the conversation.
        tools: what models may call.
    """

    config: StreamingConfig
    model: str | None = None
    system: str | None = None
    tools: Sequence[FunctionTool] = ()
    provider: str = attrs.field(init=False)
    """Who is asked."""
    attached: list[ImagePart | DocumentPart] = attrs.field(factory=list, init=False)
    """What goes along with the next question."""
    _history: tuple[Message, ...] = attrs.field(default=(), init=False)
    _turn: Turn | None = attrs.field(default=None, init=False)
    """The last question, while its answer is awaited, or after that broke off."""

    def __attrs_post_init__(self) -> None:
        self.provider = self.config.primary

    @property
    def messages(self) -> tuple[Message, ...]:
        """The conversation, as it can be sent and saved."""
        return (*self._history, *(self._turn.settled() if self._turn is not None else ()))

    @property
    def model_name(self) -> str:
        """The model that is asked."""
        settings = self.config.providers.get(self.provider)
        return self.model or (settings.model if settings is not None else "")

    @property
    def paused(self) -> Paused | None:
        """What can be gone on with: the last answer, if it broke off."""
        return self._turn.paused if self._turn is not None else None

    def ask(self, text: str) -> Request:
        """A question, with what is attached to it. An answer that broke off before stays as it is."""
        self._settle()
        question = user(*self.attached, text)
        self.attached.clear()
        self._turn = Turn(messages=(question,))
        return Request(messages=(*self._history, question), system=self.system)

    def ended(self, added: Sequence[Message], ending: Ending, request: Request) -> None:
        """Take in what came of a question, or of going on.

        Args:
            added: the messages of the run.
            ending: how it ended.
            request: what it would have asked next.
        """
        if self._turn is not None:
            self._turn = self._turn.after(added, ending, request)
        if self.paused is None:
            self._settle()

    def begin_with(self, messages: Iterable[Message]) -> None:
        """Go on with another conversation."""
        self._history, self._turn = tuple(messages), None
        self.attached.clear()

    def _settle(self) -> None:
        self._history, self._turn = self.messages, None
