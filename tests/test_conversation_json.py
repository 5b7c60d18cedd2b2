"""Conversations as JSON."""

import json
from typing import Any

import pytest
from hypothesis import given
from strategies import conversations

import gestura
from gestura import Answer, Done, Message, Role, TextPart, messages_from_json, messages_to_json


@given(conversations())
def test_a_conversation_survives_json(conversation: tuple[Message, ...]) -> None:
    """What was written to a file is read as it was: images, seals and results of tools included."""
    written = json.dumps(messages_to_json(conversation))

    assert conversation == messages_from_json(json.loads(written))


def test_an_answer_is_written_as_what_was_said() -> None:
    """A history of answers, too, can be written as it is; it is read as messages."""
    answer = Answer(Role.ASSISTANT, [TextPart("Yes.")], done=Done())

    assert (gestura.assistant("Yes."),) == messages_from_json(messages_to_json([answer]))


def test_no_messages_are_a_conversation() -> None:
    """One that has not begun."""
    assert () == messages_from_json(messages_to_json([]))


def of_parts(*parts: Any) -> list[Any]:
    return [{"role": "user", "parts": list(parts)}]


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({}, "messages: expected an array, found dict"),
        ([1], "messages[0].role: expected an object; messages[0].parts: expected an object"),
        ([{}], "messages[0].role: 'role' is missing; messages[0].parts: 'parts' is missing"),
        ([{"role": "system", "parts": []}], "messages[0].role: 'system' is not a valid Role"),
        ([{"role": "user", "parts": 3}], "messages[0].parts: expected an array"),
        (of_parts(), "messages[0].parts: at least one is needed"),
        (of_parts(3), "messages[0].parts[0]: expected an object"),
        (of_parts({"text": "Hi"}), "messages[0].parts[0]: 'type' is missing, or no kind of part"),
        (of_parts({"type": "smell"}), "messages[0].parts[0]: 'smell' is missing, or no kind of part"),
        (of_parts({"type": "text"}), "messages[0].parts[0].text: 'text' is missing"),
        (of_parts({"type": "text", "text": 5}), "messages[0].parts[0].text: expected str, found int"),
        (
            of_parts({"type": "text", "text": "Hi"}, {"type": "image", "data": "%", "media_type": "image/png"}),
            "messages[0].parts[1].data: expected bytes in base64",
        ),
        (of_parts({"type": "image"}), "messages[0].parts[0].image: either data or url"),
        (
            of_parts({"type": "tool_result", "call_id": "c", "content": [{"type": "text"}]}),
            "messages[0].parts[0].content[0].text: 'text' is missing",
        ),
        (
            of_parts({"type": "tool_result", "call_id": "c", "content": []}),
            "messages[0].parts[0].call_id: 'c' is no call that waits for a result here",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_path(value: Any, problem: str) -> None:
    """A file that was garbled, or written by hand, can be mended; nothing of it is passed over."""
    with pytest.raises(ValueError) as raised:
        messages_from_json(value)

    assert problem == str(raised.value)
