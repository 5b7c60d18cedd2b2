"""A chat from its first line to its last, with a scripted model and a scripted user."""

from __future__ import annotations

import signal
import sys
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from trio.testing import MockClock

from gestura import FunctionTool, Message, ProviderSettings, StreamingConfig, ToolCall, assistant, tool, user
from gestura.cli.chatting.line_input import Interrupted
from gestura.cli.chatting.loop import Chat
from gestura.cli.chatting.session import Session
from gestura.cli.display.showing import view_of_output
from gestura.testing import HttpError, ScriptedModel, Sending, reply, scripted_client

CONFIG = StreamingConfig(
    primary="a",
    providers={"a": ProviderSettings(kind="openai_chat", model="m", api_key="k", base_url="http://localhost")},
)
SLOWLY = Sending(interval=1.0)
OSLO = ToolCall("a", "weather", '{"city": "Oslo"}')
LIMA = ToolCall("b", "weather", '{"city": "Lima"}')


class User:
    """Does one thing after another: writes a line, presses Ctrl-C at the prompt, waits for some seconds."""

    def __init__(self, *script: str | float | Interrupted) -> None:
        self._script = list(script)
        self.asked: list[str] = []

    async def read(self) -> str | None:
        await trio.lowlevel.checkpoint()
        while self._script:
            match self._script.pop(0):
                case str(line):
                    return line
                case Interrupted() as interrupted:
                    raise interrupted
                case seconds:
                    await trio.sleep(seconds)
        return None

    async def ask(self, question: str) -> str | None:
        self.asked.append(question)
        return await self.read()

    def interrupt(self) -> bool:
        return False


@attrs.define
class Talk:
    """What came of a chat."""

    model: ScriptedModel
    session: Session
    user: User
    code: int | None = None
    """`None`: it was left by Ctrl-C."""

    @property
    def sent(self) -> list[list[dict[str, Any]]]:
        return [request["messages"] for request in self.model.requests]


async def talk(
    replies: list[Any],
    *script: str | float | Interrupted,
    tools: tuple[FunctionTool, ...] = (),
    interactive: bool = True,
    on_terminal: bool = False,
    ctrl_c_at: tuple[float, ...] = (),
) -> Talk:
    """Let a user talk with a model.

    Standard output passes for a plain terminal of 80 columns, if it shall. `ctrl_c_at` tells when the signal comes, in
    seconds from the beginning.
    """
    model = ScriptedModel(replies)
    session = Session(config=CONFIG, tools=[attrs.evolve(tool, confirm=True) for tool in tools])
    talk = Talk(model, session, User(*script))
    make_view = partial(view_of_output, plain=False, as_json=False)
    started = trio.current_time()

    async def press() -> None:
        for when in ctrl_c_at:
            await trio.sleep_until(started + when)
            signal.raise_signal(signal.SIGINT)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys.stdout, "isatty", lambda: on_terminal)
        patch.setenv("TERM", "dumb")
        patch.setenv("COLUMNS", "80")
        async with scripted_client(model, config=CONFIG) as client, trio.open_nursery() as nursery:
            nursery.start_soon(press)
            try:
                chat = Chat(session, client, talk.user, is_interactive=interactive, make_view=make_view)
                talk.code = await chat.run()
            except KeyboardInterrupt:
                nursery.cancel_scope.cancel()
    return talk


async def test_a_model_hears_the_whole_conversation(capsys: pytest.CaptureFixture[str]) -> None:
    """Each question is sent with all that was said before; a pipe gets the answers alone."""
    talked = await talk(["Because.", "Very."], "Why?", "", "Sure?", interactive=False)

    assert ("Because.\nVery.\n", "") == capsys.readouterr()
    assert ["Why?", "Because.", "Sure?"] == [message["content"] for message in talked.sent[1]]
    assert (user("Why?"), assistant("Because."), user("Sure?"), assistant("Very.")) == talked.session.messages
    assert 0 == talked.code


async def test_a_terminal_gets_endings_and_news(capsys: pytest.CaptureFixture[str]) -> None:
    """After each answer a line says what it took, as with `gestura ask`."""
    await talk([reply("Because.")], "/model x", "Why?", on_terminal=True)

    said = "m of a; /help lists the commands\nmodel: x of a\nBecause.\n-- done: stop, x\n"
    assert said == capsys.readouterr().out


async def test_ctrl_c_pauses_and_enter_goes_on(autojump_clock: MockClock, capsys: pytest.CaptureFixture[str]) -> None:
    """What was shown is kept; the rest of the answer becomes one with it."""
    talked = await talk(
        [reply("One two three.", sending=SLOWLY), " three."], "Count.", "", ctrl_c_at=(2.5,), on_terminal=True
    )

    said = capsys.readouterr().out
    assert "One two\n-- paused: 7 characters of text kept\nEnter goes on from there\n three.\n" in said
    assert (user("Count."), assistant("One two three.")) == talked.session.messages
    assert "One two" == talked.sent[1][-2]["content"]
    assert 0 == talked.code


async def test_another_question_leaves_a_paused_answer_as_it_is(autojump_clock: MockClock) -> None:
    """The model is told what it said so far."""
    talked = await talk([reply("One two three.", sending=SLOWLY), "No."], "Count.", "More?", ctrl_c_at=(2.5,))

    assert ["Count.", "One two", "More?"] == [message["content"] for message in talked.sent[1]]


async def test_ctrl_c_twice_leaves(autojump_clock: MockClock) -> None:
    """Where the second follows within two seconds, at the prompt or while an answer comes."""
    slow = reply("One two three.", sending=SLOWLY)
    at_once = await talk([slow], "Count.", Interrupted(), "More?", ctrl_c_at=(1.5,))
    at_the_prompt = await talk([], Interrupted(), 1.9, Interrupted(), "Why?")
    while_resuming = await talk([slow, slow], "Count.", "", ctrl_c_at=(1.5, 2.5))

    assert [None, None, None] == [at_once.code, at_the_prompt.code, while_resuming.code]


async def test_ctrl_c_after_a_while_is_another_first_one(
    autojump_clock: MockClock, capsys: pytest.CaptureFixture[str]
) -> None:
    """It does not leave, and says what would."""
    talked = await talk(["Because."], Interrupted(), 2.1, Interrupted(), "Why?")

    assert (0, 2) == (talked.code, capsys.readouterr().err.count("Ctrl-C once more leaves"))


async def test_ctrl_c_leaves_a_pipe(autojump_clock: MockClock) -> None:
    """There is nobody who could go on."""
    talked = await talk([reply("One two.", sending=SLOWLY)], "Count.", "More?", interactive=False, ctrl_c_at=(0.5,))

    assert (None, 1) == (talked.code, len(talked.sent))


@pytest.mark.parametrize(("line", "code"), [("Why?", 1), ("/modle x", 2), ("/load missing.json", 2)])
async def test_what_goes_wrong_ends_a_pipe_and_no_conversation(
    line: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Later questions build on what was asked before. A user who is there can mend it."""
    replies = [HttpError(status=400, message="No."), "Because."]
    piped = await talk(list(replies), line, interactive=False)
    typed = await talk(replies[0 if code == 1 else 1 :], line, "Why?")

    assert (code, 0) == (piped.code, typed.code)
    assert (user("Why?"), assistant("Because.")) == typed.session.messages
    assert 2 == capsys.readouterr().err.count("gestura: ")


@tool
async def weather(city: str) -> str:
    """The weather in a city."""
    await trio.sleep(60 if city == "Lima" else 0)
    return f"sunny in {city}"


async def test_a_tool_runs_when_the_user_allows_it(
    autojump_clock: MockClock, capsys: pytest.CaptureFixture[str]
) -> None:
    """The call is shown before the question, the result after it, and both are in the conversation."""
    talked = await talk([reply("Hm.", OSLO), "Take a hat."], "Rain?", "what?", "y", tools=(weather,), on_terminal=True)

    assert 2 * ['run weather {"city": "Oslo"}? [y]es, [n]o, [a]lways: '] == talked.user.asked
    shown = 'Hm.\n-> weather {"city": "Oslo"}\n<- weather: sunny in Oslo (0.0 s)\nTake a hat.\n-- done: stop, m\n'
    assert capsys.readouterr().out.endswith(shown)
    assert ["user", "assistant", "tool"] == [message["role"] for message in talked.sent[1]]
    assert "sunny in Oslo" == talked.session.messages[2].tool_results[0].text
    assert 4 == len(talked.session.messages)


async def test_a_tool_that_the_user_refuses_does_not_run(
    autojump_clock: MockClock, capsys: pytest.CaptureFixture[str]
) -> None:
    """The model is told, and so is the user."""
    talked = await talk([reply(OSLO), "Then I don't know."], "Rain?", "N", tools=(weather,), on_terminal=True)

    result = talked.session.messages[2].tool_results[0]
    assert (True, "The call was not allowed: the user did not allow it") == (result.is_error, result.text)
    assert "<- weather was not run: the user did not allow it\n" in capsys.readouterr().out


async def test_always_is_asked_once(autojump_clock: MockClock) -> None:
    """For each tool, for as long as the chat lasts."""
    replies = [reply(OSLO), "Sunny.", reply(LIMA), "Sunny."]
    talked = await talk(replies, "Rain in Oslo?", "always", "In Lima?", tools=(weather,))

    assert (1, 8) == (len(talked.user.asked), len(talked.session.messages))


async def test_where_nobody_is_there_no_tool_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """A pipe can't allow anything: the model is told, and whoever reads stderr."""
    talked = await talk([reply(OSLO), "I don't know."], "Rain?", tools=(weather,), interactive=False)

    assert "nobody was there to allow it" in talked.session.messages[2].tool_results[0].text
    assert ("I don't know.\n", "gestura: weather was not run: nobody was there to allow it\n") == capsys.readouterr()


async def test_ctrl_c_cancels_a_tool(autojump_clock: MockClock) -> None:
    """The answer is paused, and gone on with by calling the tool again; or it is not, and the model is told."""
    stopped = await talk([reply(OSLO, LIMA), "Well."], "Rain?", "a", "Well?", tools=(weather,), ctrl_c_at=(5,))
    resumed = await talk([reply(LIMA), "Sunny."], "Rain?", "y", "", "y", tools=(weather,), ctrl_c_at=(5,))

    results = {result.call_id: result.text for result in stopped.session.messages[2].tool_results}
    assert {"a": "sunny in Oslo", "b": "The user stopped this call before it had a result."} == results
    assert (user("Well?"), assistant("Well.")) == stopped.session.messages[3:]
    assert 2 == len(resumed.user.asked)
    assert "sunny in Lima" == resumed.session.messages[2].tool_results[0].text


async def test_ctrl_c_instead_of_an_answer_pauses(autojump_clock: MockClock) -> None:
    """The tool does not run; asked again, the user can allow it."""
    talked = await talk([reply(OSLO), "Sunny."], "Rain?", Interrupted(), 3.0, "", "y", tools=(weather,))

    assert (2, 0) == (len(talked.user.asked), talked.code)
    assert "sunny in Oslo" == talked.session.messages[2].tool_results[0].text


async def test_a_conversation_is_saved_and_loaded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In a later chat it goes on as if nothing had been between."""
    file = tmp_path / "talk.json"
    first = await talk(["Because."], "Why?", f"/save {file}", f"/save {file}")
    second = await talk(["Very."], f"/load {file}", "Sure?", f"/save {file}")
    third = await talk([], f"/load {file}")

    assert ["Why?", "Because.", "Sure?"] == [message["content"] for message in second.sent[0]]
    assert first.session.messages == second.session.messages[:2]
    assert second.session.messages == third.session.messages
    said = capsys.readouterr().err
    assert ["saved: 2 messages", "loaded: 2 messages", "saved: 4 messages"] == [
        line for line in dict.fromkeys(said.splitlines()) if "messages" in line
    ][:3]


async def test_other_files_are_not_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A slip of the fingers costs no file."""
    file = tmp_path / "README.md"
    file.write_text("Dear reader")
    talked = await talk([], f"/save {file}", f"/save {tmp_path / 'no' / 'where'}", interactive=True)

    assert ("Dear reader", 0) == (file.read_text(), talked.code)
    said = capsys.readouterr().err
    assert f"gestura: {file}: it exists, and is not from this chat; choose another name\n" in said
    assert "where: No such file or directory\n" in said


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("[", "Expecting value"),
        ("{}", "messages: expected an array, found dict"),
        ('[{"role": "user", "parts": [{"type": "text"}]}]', "messages[0].parts[0].text: 'text' is missing"),
        ("[" * 100_000, "talk.json: "),
    ],
)
async def test_what_is_no_conversation_is_not_loaded(
    content: str, problem: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is told what is wrong with the file, and where; the conversation at hand stays."""
    file = tmp_path / "talk.json"
    file.write_text(content)
    talked = await talk(["Because."], "Why?", f"/load {file}")

    assert problem in capsys.readouterr().err
    assert 2 == len(talked.session.messages)


async def test_files_and_addresses_are_attached(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An image is known by its bytes, a document by its name; what is neither is refused."""
    picture, letter, thing = tmp_path / "cat", tmp_path / "letter.pdf", tmp_path / "thing.unheard-of"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n...")
    letter.write_bytes(b"%PDF-1.7 ...")
    thing.write_bytes(b"...")
    lines = [f"/attach {each}" for each in (picture, letter, thing, "https://example.com/a.png", tmp_path / "none")]
    talked = await talk(["A cat."], *lines, "What is it?")

    question: Message = talked.session.messages[0]
    kinds = [type(part).__name__ for part in question.parts]
    assert ["ImagePart", "DocumentPart", "ImagePart", "TextPart"] == kinds
    said = capsys.readouterr().err
    assert f"gestura: {thing}: neither an image nor a document that is known\n" in said
    assert "none: No such file or directory\n" in said
