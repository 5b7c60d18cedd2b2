"""The loop of a chat: each line becomes an action (`commands`), and here it is carried out.

One Ctrl-C pauses the answer, and the tools that run for it; a second one soon after leaves.
"""

from __future__ import annotations

import math
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import attrs
import click
import trio

from gestura._actors.groups import bare_errors
from gestura._client import Client
from gestura.cancellation import CancellationToken, TokenState
from gestura.chunks import Done, Ending, Paused, ToolConfirmationRequired
from gestura.cli.chatting import files
from gestura.cli.chatting.commands import Action, Ask, Attach, Complain, Leave, Load, Save, Say, take
from gestura.cli.chatting.line_input import Interrupted, LineInput
from gestura.cli.chatting.permissions import NOBODY, Permissions, Questions
from gestura.cli.chatting.session import Session
from gestura.cli.display.showing import show
from gestura.cli.display.streams import columns_of, is_styled
from gestura.cli.display.views import Transcript, View
from gestura.cli.display.waiting import open_waiting_line
from gestura.cli.display.word_wrap import wrapped
from gestura.cli.display.wording import describe
from gestura.cli.terminal_text import visible
from gestura.conversation import Request
from gestura.errors import ConfigError
from gestura.recorder import Recorder

__all__ = ["Chat"]

TWICE: Final = 2.0
"""Seconds within which a second Ctrl-C leaves."""

DONE, FAILED, WRONG = 0, 1, 2  # exit codes


@attrs.define
class Chat:
    """One chat, from its first line to its last.

    Args:
        session: the conversation.
        client: asks.
        lines: where the user's lines come from.
        is_interactive: the user is there, and can mend what goes wrong; in a pipe it ends the chat.
        make_view: how an answer is shown.
        recorder: writes down what passes over the wire.
    """

    session: Session
    client: Client
    lines: LineInput
    is_interactive: bool = attrs.field(kw_only=True)
    make_view: Callable[[], View] = attrs.field(kw_only=True)
    recorder: Recorder | None = attrs.field(default=None, kw_only=True)
    _permissions: Permissions = attrs.field(init=False)
    _files: set[Path] = attrs.field(factory=set, init=False)
    """What this chat has saved or loaded, and so may write over."""
    _token: CancellationToken | None = attrs.field(default=None, init=False)
    """Of the answer that is shown."""
    _struck: float = attrs.field(default=-math.inf, init=False)
    _left: bool = attrs.field(default=False, init=False)
    _scope: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)

    def __attrs_post_init__(self) -> None:
        self._permissions = Permissions(self.lines)

    async def run(self) -> int:
        """Talk until there are no more lines; the exit code.

        Raises:
            KeyboardInterrupt: the user left by Ctrl-C.
        """
        code = DONE
        with bare_errors():
            async with trio.open_nursery() as nursery:
                await nursery.start(self._listen)
                with self._scope:
                    code = await self._talk()
                nursery.cancel_scope.cancel()
        if self._left:
            raise KeyboardInterrupt
        return code

    async def _listen(self, task_status: trio.TaskStatus[None]) -> None:
        with trio.open_signal_receiver(signal.SIGINT) as interrupts:
            task_status.started()
            async for _ in interrupts:
                if not self.lines.interrupt():  # whoever reads is told, and strikes
                    self._strike()

    def _strike(self) -> None:
        """Ctrl-C was pressed."""
        now = trio.current_time()
        if not self.is_interactive or now - self._struck < TWICE:
            self._left = True
            self._scope.cancel()
        self._struck = now
        if self._token is not None:
            self._token.pause()

    async def _talk(self) -> int:
        if self.is_interactive:
            self._say(f"{self.session.model_name} of {self.session.provider}; /help lists the commands")
        while True:
            try:
                line = await self.lines.read()
            except Interrupted:
                self._strike()
                await trio.lowlevel.checkpoint()  # where leaving takes effect
                self._say("Ctrl-C once more leaves; so does /exit")
                continue
            action = take(self.session, line) if line is not None else Leave()
            if isinstance(action, Leave):
                return DONE
            code = await self._carry_out(action)
            if code != DONE and not self.is_interactive:
                return code

    async def _carry_out(self, action: Action) -> int:
        """Do it; what the exit code would be if that were all."""
        try:
            match action:
                case Ask(prompt):
                    return DONE if isinstance(await self._ask(prompt), Done) else FAILED
                case Say(text):
                    self._say(text)
                case Complain(text):
                    return self._complain(text)
                case Save(name):
                    self._save(name)
                case Load(name):
                    self._load(name)
                case Attach(source):
                    self.session.attached.append(files.attachment(source))
                    self._say(f"attached to the next question: {len(self.session.attached)}")
        except (ConfigError, files.FileProblem) as error:
            return self._complain(str(error))
        return DONE

    def _save(self, name: str) -> None:
        path = files.resolved(name)
        files.save(name, self.session.messages, overwrite=path in self._files)
        self._files.add(path)
        self._say(f"saved: {_count(self.session)}")

    def _load(self, name: str) -> None:
        self.session.begin_with(files.load(name))
        self._files.add(files.resolved(name))
        self._say(f"loaded: {_count(self.session)}")

    async def _ask(self, prompt: Request | Paused) -> Ending:
        session = self.session
        view = self.make_view()
        self._token = token = CancellationToken()
        questions = Questions()

        async def confirm(question: ToolConfirmationRequired) -> None:
            if token.state is not TokenState.RUNNING:
                return  # the call will not be made
            try:
                verdict = await self._permissions.ask(question)
            except Interrupted:
                self._strike()
                return
            questions.answer(question, verdict)
            if verdict is NOBODY:
                self._complain(f"{question.tool_name} was not run: {NOBODY.reason}")

        try:
            async with (
                open_waiting_line(f"waiting for {session.provider}") as waiting,
                self.client.run(
                    prompt,
                    tools=session.tools,
                    confirm=questions.verdict,
                    provider=session.provider,
                    model=session.model,
                    token=token,
                    record=self.recorder,
                ) as run,
            ):
                ending = await show(run, view, waiting, confirm)
        finally:
            self._token = None
        session.ended(run.messages, ending, run.request)
        if isinstance(view, Transcript):
            click.echo(view.end(ending), nl=False)
        elif not isinstance(ending, Done):
            self._complain(describe(ending))
        if session.paused is not None and self.is_interactive:
            self._say("Enter goes on from there" if session.paused.partial is not None else "Enter asks again")
        return ending

    def _complain(self, text: str) -> int:
        click.echo(wrapped(f"gestura: {visible(text)}", columns_of(sys.stderr)), err=True)
        return WRONG

    def _say(self, text: str) -> None:
        """News of the chat: beside what is written, never in a pipe."""
        if text:
            err = not sys.stdout.isatty()
            stream = sys.stderr if err else sys.stdout
            words = wrapped(visible(text), columns_of(stream))
            click.echo(click.style(words, dim=True) if is_styled(stream) else words, err=err)


def _count(session: Session) -> str:
    count = len(session.messages)
    return f"{count} message{'s' if count != 1 else ''}"
