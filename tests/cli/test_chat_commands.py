"""What each line of a chat asks for."""

from __future__ import annotations

import pytest

from gestura import (
    Done,
    Error,
    Paused,
    ProviderSettings,
    Request,
    StreamingConfig,
    assistant,
    image,
    tool,
    user,
)
from gestura.cli.chatting.commands import Action, Ask, Attach, Complain, Leave, Load, Save, Say, take
from gestura.cli.chatting.session import Session

PNG = image(b"\x89PNG\r\n\x1a\n...")


@tool
def look_up(word: str) -> str:
    """Look a word up.

    In a dictionary.
    """
    return word


@pytest.fixture
def session() -> Session:
    providers = {name: ProviderSettings(kind="openai_chat", model=f"model-{name}") for name in ("a", "b")}
    return Session(config=StreamingConfig(primary="a", providers=providers), tools=(look_up,))


def answer(session: Session, line: str, *said: str) -> None:
    """Ask, and be answered."""
    action = take(session, line)
    assert isinstance(action, Ask)
    assert isinstance(action.prompt, Request)
    session.ended([assistant(*said)], Done(), action.prompt)


def test_a_line_is_a_question_with_all_that_was_said_before(session: Session) -> None:
    """The system prompt stands above it, and blanks around it are not sent."""
    session.system = "Be brief."
    answer(session, " Why? ", "Because.")

    messages = (user("Why?"), assistant("Because."), user("/really?"))
    assert Ask(Request(messages=messages, system="Be brief.")) == take(session, " /really?")


def test_what_is_attached_goes_with_the_next_question(session: Session) -> None:
    """Before its words, and only with that one."""
    session.attached.append(PNG)
    answer(session, "What is this?", "A cat.")
    action = take(session, "Sure?")

    assert Ask(Request(messages=(user(PNG, "What is this?"), assistant("A cat."), user("Sure?")))) == action


def test_an_empty_line_goes_on_with_what_broke_off(session: Session) -> None:
    """So does `/resume`. Where nothing broke off, the one does nothing, and the other says so."""
    assert Say("") == take(session, " ")
    assert isinstance(take(session, "/resume"), Complain)
    action = take(session, "Why?")
    paused = Paused(partial=assistant("Be"), request=action.prompt)
    session.ended([], paused, action.prompt)

    assert Ask(paused) == take(session, "") == take(session, "/resume")
    session.ended([assistant("cause.")], Done(), action.prompt)
    assert (user("Why?"), assistant("Because.")) == session.messages
    assert Say("") == take(session, "")


def test_a_question_that_failed_can_be_asked_again(session: Session) -> None:
    """It is not in the conversation until it is answered; another question takes its place."""
    action = take(session, "Why?")
    session.ended([], Error("down"), action.prompt)

    assert () == session.messages
    assert Ask(Paused(request=action.prompt)) == take(session, "")
    assert Ask(Request(messages=(user("How?"),))) == take(session, "How?")


@pytest.mark.parametrize(
    ("line", "action"),
    [
        ("/model", Say("model: model-a of a")),
        ("/model x", Say("model: x of a")),
        ("/provider", Say("provider: a; there are also b")),
        ("/provider b", Say("model: model-b of b")),
        ("/provider a", Say("model: model-a of a")),
        ("/system", Say("no system prompt")),
        ("/system Be brief.", Say("system: Be brief.")),
        ("/tools", Say("look_up: Look a word up.")),
        ("/attach", Say("attached to the next question: nothing")),
        ("/attach my cat.png", Attach("my cat.png")),
        ("/save", Complain("/save FILE: which file?")),
        ("/save  talk.json ", Save("talk.json")),
        ("/load", Complain("/load FILE: which file?")),
        ("/load talk.json", Load("talk.json")),
        ("/clear", Say("a new conversation")),
        ("/exit", Leave()),
    ],
)
def test_commands(session: Session, line: str, action: Action) -> None:
    """A line that begins with a slash is a command, and nothing of it goes to a model."""
    assert action == take(session, line)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("/provider c", "there is no provider 'c'; there are openai, anthropic, gemini, grok, ollama, a, b, local"),
        ("/provider openai", "openai is not configured: set OPENAI_API_KEY"),
        ("/provider local", "begin with `--provider local`"),
        ("/modle x", "there is no command /modle; did you mean '/model'? /help lists them"),
        ("/", "there is no command /: /help lists them"),
    ],
)
def test_what_can_not_be_done_is_told(session: Session, line: str, words: str) -> None:
    """The session is as it was."""
    action = take(session, line)

    assert isinstance(action, Complain)
    assert words in action.text
    assert ("a", None) == (session.provider, session.model)


def test_another_provider_is_asked_for_its_own_model(session: Session) -> None:
    """A model that was chosen for one provider is not asked of another."""
    take(session, "/model x")
    take(session, "/provider b")

    assert ("b", "model-b") == (session.provider, session.model_name)


def test_a_system_prompt_can_be_taken_away(session: Session) -> None:
    """With `off`."""
    take(session, "/system Be brief.")
    take(session, "/system off")

    assert session.system is None


def test_clear_begins_anew(session: Session) -> None:
    """Nothing of the conversation is left, nor what was attached; the system prompt stays."""
    session.system = "Be brief."
    answer(session, "Why?", "Because.")
    session.attached.append(PNG)
    take(session, "/clear")

    assert ((), []) == (session.messages, session.attached)
    assert Ask(Request(messages=(user("How?"),), system="Be brief.")) == take(session, "How?")


def test_help_tells_every_command(session: Session) -> None:
    """Each on a line that fits an ordinary terminal."""
    action = take(session, "/help")

    assert isinstance(action, Say)
    lines = action.text.splitlines()
    assert all(len(line) < 80 for line in lines)
    names = ["model", "provider", "system", "tools", "attach", "resume", "save", "load", "clear", "help", "exit"]
    assert [f"/{name}" for name in names] == [line.split()[0] for line in lines]
