"""What each line of a chat asks for: a pure function from the session and the line to an action.

A line that begins with `/` is a command, any other a question; one that begins with a blank is a question whatever
follows. What an action does to files, terminals and models is for the loop around it: `gestura.cli.chat`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import attrs

from gestura.chunks import Paused
from gestura.cli.chatting.session import Session
from gestura.cli.whom import check_provider
from gestura.conversation import Request
from gestura.errors import ConfigError
from gestura.nearest_names import did_you_mean

__all__ = ["Action", "Ask", "Attach", "Complain", "Leave", "Load", "Save", "Say", "take"]


@attrs.frozen
class Ask:
    """Put this to the model, and tell the session what came of it."""

    prompt: Request | Paused


@attrs.frozen
class Say:
    """Tell the user; nothing, where it is blank."""

    text: str


@attrs.frozen
class Complain:
    """Tell the user that the line can't be done."""

    text: str


@attrs.frozen
class Save:
    """Write the conversation to a file."""

    path: str


@attrs.frozen
class Load:
    """Go on with the conversation in a file."""

    path: str


@attrs.frozen
class Attach:
    """Send a file, or what is at an address, along with the next question."""

    source: str


@attrs.frozen
class Leave:
    """End the session."""


Action = Ask | Say | Complain | Save | Load | Attach | Leave


def take(session: Session, line: str) -> Action:
    """What a line of the user's asks for."""
    if not line.strip():
        return Ask(session.paused) if session.paused is not None else Say("")
    if not line.startswith("/"):
        return Ask(session.ask(line.strip()))
    name, _, rest = line[1:].strip().partition(" ")
    command = _COMMANDS.get(name)
    if command is None:
        meant = did_you_mean(f"/{name}", (f"/{each}" for each in _COMMANDS)) or ": "
        lists = "/help lists them; a line that begins with a blank is a question"
        return Complain(f"there is no command /{name}{meant.rstrip()} {lists}")
    return command.take(session, rest.strip())


def _model(session: Session, name: str) -> Action:
    if name:
        session.model = name
    return Say(f"model: {session.model_name} of {session.provider}")


def _provider(session: Session, name: str) -> Action:
    if not name:
        others = ", ".join(each for each in session.config.providers if each != session.provider)
        return Say(f"provider: {session.provider}" + (f"; there are also {others}" if others else ""))
    try:
        check_provider(name, session.config)
    except ConfigError as error:
        return Complain(str(error))
    if name != session.provider:
        session.provider, session.model = name, None
    return _model(session, "")


def _system(session: Session, text: str) -> Action:
    if text:
        session.system = None if text == "off" else text
    return Say("no system prompt" if session.system is None else f"system: {session.system}")


def _tools(session: Session, _rest: str) -> Action:
    if not session.tools:
        return Say("no tools: `gestura chat --tools FILE` brings some")
    return Say("\n".join(f"{tool.name}: {tool.description.partition(chr(10))[0]}" for tool in session.tools))


def _attach(session: Session, source: str) -> Action:
    if source:
        return Attach(source)
    return Say(f"attached to the next question: {len(session.attached) or 'nothing'}")


def _resume(session: Session, _rest: str) -> Action:
    if session.paused is None:
        return Complain("there is nothing to go on with")
    return Ask(session.paused)


def _save(_session: Session, path: str) -> Action:
    return Save(path) if path else Complain("/save FILE: which file?")


def _load(_session: Session, path: str) -> Action:
    return Load(path) if path else Complain("/load FILE: which file?")


def _clear(session: Session, _rest: str) -> Action:
    session.begin_with(())
    return Say("a new conversation")


def _help(_session: Session, _rest: str) -> Action:
    width = max(len(command.usage) for command in _COMMANDS.values())
    return Say("\n".join(f"{command.usage:{width}}  {command.words}" for command in _COMMANDS.values()))


def _exit(_session: Session, _rest: str) -> Action:
    return Leave()


@attrs.frozen
class _Command:
    """How it is written, what it does in words, and what takes the rest of its line."""

    usage: str
    words: str
    take: Callable[[Session, str], Action]


_COMMANDS: Final[Mapping[str, _Command]] = {
    command.usage.split()[0].removeprefix("/"): command
    for command in (
        _Command("/model [NAME]", "ask another model", _model),
        _Command("/provider [NAME]", "ask another provider", _provider),
        _Command("/system [TEXT]", "instructions above the conversation; `off` takes them away", _system),
        _Command("/tools", "list what the model may call", _tools),
        _Command("/attach PATH", "send an image or a document along with the next question", _attach),
        _Command("/resume", "go on with an answer that broke off, as an empty line does", _resume),
        _Command("/save FILE", "write the conversation to a file, as JSON", _save),
        _Command("/load FILE", "go on with the conversation in a file", _load),
        _Command("/clear", "begin a new conversation", _clear),
        _Command("/help", "this list", _help),
        _Command("/exit", "end; Ctrl-D does so, too, and Ctrl-C twice", _exit),
    )
}
