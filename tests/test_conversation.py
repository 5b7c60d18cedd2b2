"""What goes in: messages and their parts, requests and the rules they are checked by, and answers that are messages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import conversations, requests

import gestura
from gestura import (
    ConfigError,
    DocumentPart,
    Done,
    ErrorKind,
    ImagePart,
    Message,
    NamedTool,
    RefusalPart,
    Request,
    ResponseFormat,
    Role,
    Sampling,
    Signature,
    Text,
    TextPart,
    Thinking,
    ThinkingPart,
    Tool,
    ToolCall,
    ToolCallArgs,
    ToolCallEnd,
    ToolCallStart,
    ToolResult,
    assistant,
    tool_result,
    user,
)
from gestura.answer import Transcript, collect
from gestura.chunks import Refusal, RetryAttempt, StreamChunk
from gestura.conversation import GO_ON, continuation

CALL = ToolCall("call_1", "look_up", '{"city": "Oslo"}')
PNG = b"\x89PNG\r\n\x1a\n..."
TOOL = Tool(name="look_up")


# Parts.


def test_a_conversation_reads_as_it_is_written():
    """The constructors take strings for text, and results go to the call they belong to."""
    said = user("What is this?", gestura.image(PNG))
    done = tool_result(CALL, "6 °C", gestura.image("https://example.com/sky.png"), is_error=False)

    assert Message(Role.USER, (TextPart("What is this?"), ImagePart(data=PNG, media_type="image/png"))) == said
    assert (
        ToolResult("call_1", (TextPart("6 °C"), ImagePart(url="https://example.com/sky.png"))) == done.tool_results[0]
    )
    assert "6 °C" == done.tool_results[0].text
    assert (CALL,) == assistant("Let me see.", CALL).tool_calls


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
    ],
)
def test_the_type_of_an_image_is_told_by_its_bytes(data: bytes, media_type: str, tmp_path: Path):
    """From bytes and from files alike, whatever the file is called."""
    misnamed = tmp_path / "picture.txt"
    misnamed.write_bytes(data)

    assert media_type == gestura.image(data).media_type
    assert ImagePart(data=data, media_type=media_type) == gestura.image(misnamed)


def test_the_type_of_a_document_is_told_by_its_bytes_or_its_name(tmp_path: Path):
    """A text has no mark of its own, so its name counts; its name goes along."""
    notes = tmp_path / "notes.txt"
    notes.write_bytes(b"Oslo")

    assert "application/pdf" == gestura.document(b"%PDF-1.7").media_type
    assert DocumentPart(data=b"Oslo", media_type="text/plain", name="notes.txt") == gestura.document(notes)


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: gestura.image(b"????"), "image: its type is not known; give it as media_type="),
        (lambda: gestura.document(b"????"), "document: its type is not known; give it as media_type="),
        (lambda: gestura.image(7), "image: bytes, a pathlib.Path or a URL as a str, not int"),  # type: ignore[arg-type]  # the mistake
    ],
)
def test_what_is_no_file_is_refused(make: Callable[[], object], problem: str):
    """What was given, and what would do."""
    with pytest.raises(ConfigError) as caught:
        make()

    assert problem == str(caught.value)


def test_the_bytes_of_a_file_are_not_in_its_repr():
    """Logs and tracebacks of a megabyte help nobody."""
    assert "ImagePart(data=<11 bytes>, url=None, media_type='image/png', cache=None)" == repr(gestura.image(PNG))


# Rules.

WRONG: list[tuple[Callable[[], Any], str]] = [
    (lambda: Request(messages=[]), "messages: at least one is needed"),
    (lambda: Request(messages=["hi"]), "messages[0]: a gestura.Message, not str"),  # type: ignore[list-item]
    (lambda: ask(Message("user", ())), "messages[0].role: gestura.Role.USER or gestura.Role.ASSISTANT, not 'user'"),  # type: ignore[arg-type]
    (lambda: ask(user()), "messages[0].parts: at least one is needed"),
    (lambda: ask(user(7)), "messages[0].parts[0]: a part such as gestura.TextPart, not int"),  # type: ignore[arg-type]
    (lambda: ask(user("a", CALL)), "messages[0].parts[1]: ToolCall belongs into a message of the model's"),
    (
        lambda: ask(assistant(ImagePart(url="https://a/b"))),
        "messages[0].parts[0]: ImagePart belongs into a message of the user's",
    ),
    (lambda: ask(user(TextPart(b"x"))), "messages[0].parts[0].text: a str, not bytes"),  # type: ignore[arg-type]
    (
        lambda: ask(user("hi"), assistant("yes"), user("\U0001f600 \udc00")),
        "messages[2].parts[0].text: half of a surrogate pair at character 2, which can't be sent",
    ),
    (lambda: ask(user(TextPart("a", cache="2h"))), "messages[0].parts[0].cache: '5m' or '1h', not '2h'"),  # type: ignore[arg-type]
    (lambda: ask(user(ImagePart())), "messages[0].parts[0].image: either data or url"),
    (lambda: ask(user(ImagePart(data=b"a", url="https://a/b"))), "messages[0].parts[0].image: either data or url"),
    (
        lambda: ask(user(ImagePart(data=PNG))),
        "messages[0].parts[0].image.media_type: bytes need their type; gestura.image() finds it out",
    ),
    (lambda: ask(user(ImagePart(data=b"", media_type="image/png"))), "messages[0].parts[0].image.data: some bytes"),
    (
        lambda: ask(user(ImagePart(url="cat.png"))),
        "messages[0].parts[0].image.url: an address that begins with https://; a file is read by its pathlib.Path",
    ),
    (
        lambda: ask(user(ImagePart(data=b"%PDF", media_type="application/pdf"))),
        "messages[0].parts[0].image.media_type: application/pdf is no image; a document goes into gestura.document()",
    ),
    (
        lambda: ask(user(DocumentPart(data=b"%PDF", media_type="pdf"))),
        "messages[0].parts[0].document.media_type: such as application/pdf",
    ),
    (
        lambda: ask(assistant(ThinkingPart("hm", signature="s"))),
        "messages[0].parts[0].sealed_by: a signature needs the wire format that it belongs to, such as 'anthropic'",
    ),
    (
        lambda: ask(assistant(ThinkingPart("", redacted=True))),
        "messages[0].parts[0].signature: redacted thinking has nothing else",
    ),
    (
        lambda: ask(assistant(ToolCall("1", "look up", "{}")), tool_result(CALL, "x")),
        "messages[0].parts[0].name: 1 to 64 letters, digits, '_' and '-', not 'look up'",
    ),
    (lambda: ask(assistant(ToolCall("", "look_up", "{}"))), "messages[0].parts[0].id: must not be blank"),
    (
        lambda: ask(user("?"), assistant(CALL)),
        "messages[1].parts[0]: the call 'call_1' has no result; gestura.tool_result() makes one",
    ),
    (
        lambda: ask(assistant(CALL), user("Never mind.")),
        "messages[0].parts[0]: the call 'call_1' has no result; gestura.tool_result() makes one",
    ),
    (
        lambda: ask(assistant(CALL, CALL), tool_result(CALL, "x")),
        "messages[0].parts[1].id: 'call_1' is the id of another call of this message",
    ),
    (
        lambda: ask(user("?"), tool_result(CALL, "x")),
        "messages[1].parts[0].call_id: 'call_1' is no call that waits for a result here",
    ),
    (
        lambda: ask(assistant(CALL), tool_result(CALL, "x"), tool_result(CALL, "y")),
        "messages[2].parts[0].call_id: 'call_1' is no call that waits for a result here",
    ),
    (
        lambda: ask(assistant(CALL), Message(Role.USER, (ToolResult("call_1", "text"),))),  # type: ignore[arg-type]
        "messages[1].parts[0].content: a tuple of parts",
    ),
    (
        lambda: ask(assistant(CALL), tool_result(CALL, ThinkingPart("hm"))),  # type: ignore[arg-type]
        "messages[1].parts[0].content[0]: text, an image or a document, not ThinkingPart",
    ),
    (lambda: ask(user("a"), system=[user("b")]), "system[0]: a str or gestura.TextPart, not Message"),
    (lambda: ask(user("a"), tools=["look_up"]), "tools[0]: a gestura.Tool, not str"),
    (
        lambda: ask(user("a"), tools=[Tool(name="")]),
        "tools[0].name: 1 to 64 letters, digits, '_' and '-', not ''",
    ),
    (lambda: ask(user("a"), tools=[TOOL, TOOL]), "tools[1].name: 'look_up' is the name of another tool"),
    (
        lambda: ask(user("a"), tools=[Tool(name="a", parameters={"type": "string"})]),
        'tools[0].parameters: a JSON Schema with "type": "object"',
    ),
    (lambda: ask(user("a"), tool_choice="required"), "tool_choice: there are no tools to choose from"),
    (lambda: ask(user("a"), tools=[TOOL], tool_choice=NamedTool("b")), "tool_choice: there is no tool 'b'"),
    (
        lambda: ask(user("a"), tools=[TOOL], tool_choice="look_up"),
        "tool_choice: 'auto', 'required', 'none' or gestura.NamedTool(…), not 'look_up'",
    ),
    (
        lambda: ask(user("a"), sampling=Sampling(temperature=3)),
        "sampling.temperature: a number from 0 to 2, not 3",
    ),
    (lambda: ask(user("a"), sampling=Sampling(top_p=True)), "sampling.top_p: a number from 0 to 1, not True"),
    (
        lambda: ask(user("a"), sampling=Sampling(max_output_tokens=0)),
        "sampling.max_output_tokens: a whole number of at least 1, not 0",
    ),
    (lambda: ask(user("a"), sampling=Sampling(seed=1.5)), "sampling.seed: a whole number, not 1.5"),  # type: ignore[arg-type]
    (lambda: ask(user("a"), sampling=Sampling(stop=("",))), "sampling.stop[0]: must not be blank"),
    (
        lambda: ask(user("a"), reasoning="hard"),
        "reasoning: 'off', 'low', 'medium', 'high' or a number of tokens, not 'hard'",
    ),
    (
        lambda: ask(user("a"), reasoning=0),
        "reasoning: 'off', 'low', 'medium', 'high' or a number of tokens, not 0",
    ),
    (
        lambda: ask(user("a"), response_format=ResponseFormat(name="a", schema={"type": "array"})),
        'response_format.schema: a JSON Schema with "type": "object"',
    ),
    (lambda: ask(user("a"), extra={1: 2}), "extra: a mapping from names of fields to their values"),
]


def ask(*messages: Message, **options: Any) -> Request:
    return Request(messages=messages, **options)


@pytest.mark.parametrize(("make", "problem"), WRONG, ids=[problem for _, problem in WRONG])
def test_a_request_says_where_it_is_wrong(make: Callable[[], Any], problem: str):
    """The path, what is wrong with it, and what would be right; nothing was sent, and it is the caller's mistake."""
    with pytest.raises(ConfigError) as caught:
        make()

    assert (problem, ErrorKind.BAD_REQUEST) == (str(caught.value), caught.value.kind)


@given(requests())
def test_what_the_rules_allow_stays_as_it_was_given(request_: Request):
    """A request equals one made of its own fields."""
    assert request_ == attrs.evolve(request_)


def test_a_request_takes_what_is_at_hand():
    """Lists for tuples, a string for the system's text or for one word to stop at."""
    request = ask(user("a"), system="Be terse.", tools=[TOOL], sampling=Sampling(stop="END"))

    assert ((TextPart("Be terse."),), (TOOL,), ("END",)) == (request.system, request.tools, request.sampling.stop)


def test_results_may_be_told_one_by_one():
    """Several calls of one turn: their results in one message, or in messages that follow each other."""
    other = ToolCall("call_2", "look_up", "{}")
    apart = ask(assistant(CALL, other), tool_result(other, "b"), tool_result(CALL, "a"), user("Go on."))

    assert 4 == len(apart.messages)


# Answers.

STOPPED = Done(model="m")
SAID: list[tuple[list[StreamChunk], tuple[Any, ...]]] = [
    ([Text("a"), Text("b")], (TextPart("ab"),)),
    ([Text("a"), Thinking("hm"), Text("b")], (TextPart("a"), ThinkingPart("hm"), TextPart("b"))),
    (
        [Thinking("h"), Thinking("m"), Signature("s", sealed_by="anthropic"), Thinking("so")],
        (ThinkingPart("hm", signature="s", sealed_by="anthropic"), ThinkingPart("so")),
    ),
    (
        [Thinking("hm"), Signature("s", redacted=True, sealed_by="anthropic"), Text("a")],
        (ThinkingPart("hm"), ThinkingPart("", signature="s", sealed_by="anthropic", redacted=True), TextPart("a")),
    ),
    (
        [Text("a"), Signature("s", sealed_by="gemini")],
        (TextPart("a"), ThinkingPart("", signature="s", sealed_by="gemini")),
    ),
    (
        [
            ToolCallStart("1", "look"),
            ToolCallArgs("1", '{"a"'),
            ToolCallArgs("1", ": 1}"),
            ToolCallEnd("1"),
            Signature("s", "1", sealed_by="gemini"),
        ],
        (ToolCall("1", "look", '{"a": 1}', signature="s", sealed_by="gemini"),),
    ),
    ([Text("a"), ToolCallStart("1", "look"), ToolCallArgs("1", "{")], (TextPart("a"),)),
    ([Refusal("I "), Refusal("won't.")], (RefusalPart("I won't."),)),
    ([Text("a"), RetryAttempt(1, 3, 0, "broke", discard=True), Text("b")], (TextPart("b"),)),
    ([Text("\ud83d"), Text("\ude00 \ud83d")], (TextPart("\U0001f600 \ufffd"),)),
]


@pytest.mark.parametrize(("chunks", "parts"), SAID)
def test_an_answer_keeps_the_parts_in_their_order(chunks: list[StreamChunk], parts: tuple[Any, ...]):
    """Seals stay with what they seal, unfinished calls are left out, and halves of characters join or are replaced."""
    assert gestura.Answer(Role.ASSISTANT, parts, done=STOPPED) == collect([*chunks, STOPPED])


@given(conversations())
def test_an_answer_goes_into_the_history_as_it_is(history: tuple[Message, ...]):
    """A request takes an answer for a message, and so does what the request is written to."""
    answer = collect([Text("Fine."), STOPPED])
    request = ask(*history, answer)

    assert "Fine." == request.messages[-1].text
    assert ask(*history, assistant("Fine.")) == request


# Going on.


@given(st.lists(st.sampled_from([Text("a"), Thinking("hm"), Signature("s", sealed_by="anthropic")]), max_size=6))
def test_the_rest_is_asked_for_behind_the_last_text(chunks: list[StreamChunk]):
    """All text that was shown is the model's turn, whose end it is; of its thinking, what is sealed."""
    transcript = Transcript()
    for chunk in chunks:
        transcript.add(chunk)
    request = ask(user("Say a."))
    rest = continuation(request, transcript.partial())
    text = "".join(chunk.text for chunk in chunks if isinstance(chunk, Text))

    if not text:
        assert request == rest
    else:
        first, shown, go_on = rest.messages
        assert (user("Say a."), text, user(GO_ON)) == (first, shown.text, go_on)
        assert isinstance(shown.parts[-1], TextPart)
        assert all(part.signature for part in shown.parts if isinstance(part, ThinkingPart))
