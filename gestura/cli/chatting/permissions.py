"""Whether a tool may run: the question to the user, and the way of the answer.

`Client.run` asks a hook, in a task of its own. The user is asked by the task that shows the run, when it comes to the
question in the stream: everything before it is on the screen then, and nothing is written meanwhile. `Questions` takes
the answer from the one to the other.
"""

from __future__ import annotations

from typing import Final

import attrs
import trio

from gestura.agent_options import Denied
from gestura.chunks import ToolConfirmationRequired
from gestura.cli.chatting.line_input import LineInput
from gestura.cli.terminal_text import visible_line

__all__ = ["NOBODY", "Permissions", "Questions"]

NOBODY: Final = Denied("nobody was there to allow it")
"""Where a pipe leads in, or the user ended the input."""

ARGUMENTS_SHOWN: Final = 60  # characters in the question; the call as a whole stands above it


@attrs.define
class Permissions:
    """Asks the user, and remembers which tools may always run.

    Args:
        lines: where the user's answers come from.
    """

    lines: LineInput
    _always: set[str] = attrs.field(factory=set, init=False)

    async def ask(self, question: ToolConfirmationRequired) -> bool | Denied:
        """Whether the call may be made.

        Raises:
            Interrupted: the user pressed Ctrl-C instead of an answer.
        """
        while question.tool_name not in self._always:
            match await self.lines.ask(_words(question)):
                case None:
                    return NOBODY
                case answer if answer.strip().lower() in ("y", "yes"):
                    return True
                case answer if answer.strip().lower() in ("n", "no"):
                    return Denied()
                case answer if answer.strip().lower() in ("a", "always"):
                    self._always.add(question.tool_name)
        return True


def _words(question: ToolConfirmationRequired) -> str:
    arguments = visible_line(question.tool_args)
    if len(arguments) > ARGUMENTS_SHOWN:
        arguments = f"{arguments[:ARGUMENTS_SHOWN]}…"
    risk = f" ({visible_line(question.risk_level)} risk)" if question.risk_level else ""
    return f"run {visible_line(question.tool_name)} {arguments}{risk}? [y]es, [n]o, [a]lways: "


@attrs.define
class _Answer:
    known: trio.Event = attrs.field(factory=trio.Event)
    verdict: bool | Denied = False


@attrs.define
class Questions:
    """Those of one run, each by its call."""

    _answers: dict[str, _Answer] = attrs.field(factory=dict, init=False)

    async def verdict(self, question: ToolConfirmationRequired) -> bool | Denied:
        """The hook: waits for the answer."""
        answer = self._of(question)
        await answer.known.wait()
        return answer.verdict

    def answer(self, question: ToolConfirmationRequired, verdict: bool | Denied) -> None:
        """What the user said."""
        answer = self._of(question)
        answer.verdict = verdict
        answer.known.set()

    def _of(self, question: ToolConfirmationRequired) -> _Answer:
        return self._answers.setdefault(question.confirmation_id, _Answer())
