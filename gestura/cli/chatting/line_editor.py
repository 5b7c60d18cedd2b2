"""Lines that are edited at a terminal, with a history.

prompt_toolkit runs on asyncio, so each of its prompts has a thread and a loop of its own, and Trio goes on beside it.
At its prompt Ctrl-C is a key and no signal. Lines are remembered for as long as the chat lasts, and not on disk.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import trio
from prompt_toolkit import PromptSession
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.output import Output, create_output
from prompt_toolkit.output.vt100 import Vt100_Output

from gestura.cli.chatting.line_input import Interrupted

__all__ = ["TerminalLines"]


class TerminalLines:
    """Lines that are edited at a terminal. Enter ends one, Alt-Enter goes on below; what is pasted may have several."""

    def __init__(self) -> None:
        output = _open_terminal()
        self._lines: PromptSession[str] = PromptSession(
            message="> ", multiline=True, prompt_continuation="  ", key_bindings=_keys(), output=output
        )
        self._answers: PromptSession[str] = PromptSession(output=output)
        self._at: PromptSession[str] | None = None

    async def read(self) -> str | None:
        return await self._prompt(self._lines, self._lines.prompt)

    async def ask(self, question: str) -> str | None:
        return await self._prompt(self._answers, partial(self._answers.prompt, question))

    def interrupt(self) -> bool:
        app = self._at.app if self._at is not None else None
        if app is None or app.loop is None:
            return False
        app.loop.call_soon_threadsafe(lambda: app.is_done or app.exit(exception=KeyboardInterrupt()))
        return True

    async def _prompt(self, session: PromptSession[str], prompt: Callable[[], str]) -> str | None:
        self._at = session
        try:
            line = await trio.to_thread.run_sync(prompt)
            return line.encode("utf-8", "replace").decode()  # bytes that are no UTF-8 come as half characters
        except EOFError:
            return None
        except KeyboardInterrupt:
            raise Interrupted from None
        finally:
            self._at = None


def _open_terminal() -> Output:
    """The terminal, also where standard output leads elsewhere.

    Not asked where its cursor is: only menus need that, and the answer could come after we have gone.
    """
    output = create_output(always_prefer_tty=True)
    if isinstance(output, Vt100_Output):
        output.enable_cpr = False
    return output


def _keys() -> KeyBindings:
    keys = KeyBindings()

    @keys.add("enter")
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.validate_and_handle()

    @keys.add("escape", "enter")
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    return keys
