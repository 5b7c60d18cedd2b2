"""Ollama: how a whole conversation is said."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from official_requests import check_ollama
from strategies import requests

from gestura.config import ProviderSettings
from gestura.conversation import Request
from gestura.errors import ConfigError, ErrorKind
from gestura.messages import assistant, tool_result, user
from gestura.parts import DocumentPart, ImagePart, RefusalPart, TextPart, ThinkingPart, ToolCall, ToolResult, image
from gestura.providers.ollama import Ollama
from gestura.request_options import NamedTool, ResponseFormat, Tool

GIF = image(b"GIF8")
GIF_SENT = "R0lGOA=="
NOTE = DocumentPart(data="Grüße".encode(), media_type="text/plain", name="a.txt")
NOTE_TEXT = '<document name="a.txt">\nGrüße\n</document>'
CALL, BROKEN = ToolCall("c1", "look_up", '{"city": "Oslo"}'), ToolCall("c2", "add", '{"a": ')
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}


def body_of(request: Request, model: str = "m", **settings: Any) -> dict[str, Any]:
    return json.loads(Ollama(ProviderSettings(kind="ollama", model=model, **settings)).ask(request).body)


def said(role: str, content: str, **more: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **more}


def called(call_id: str, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def result(call_id: str, name: str, content: str, **more: Any) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id, "tool_name": name, "content": content, **more}


ASKED = [user("Hi"), assistant(CALL)]
ASKED_SENT = [said("user", "Hi"), said("assistant", "", tool_calls=[called("c1", "look_up", {"city": "Oslo"})])]


@pytest.mark.parametrize(
    ("messages", "sent"),
    [
        pytest.param([user("a", "b")], [said("user", "a\n\nb")], id="two texts"),
        pytest.param([user("a"), user("b")], [said("user", "a"), said("user", "b")], id="turns of one speaker"),
        pytest.param([user(GIF, "What?", GIF)], [said("user", "What?", images=[GIF_SENT, GIF_SENT])], id="images"),
        pytest.param([user(GIF)], [said("user", "", images=[GIF_SENT])], id="image alone"),
        pytest.param(
            [user(ImagePart(url="data:image/gif;base64,R0lGOA=="))],
            [said("user", "", images=[GIF_SENT])],
            id="image in a data: URL",
        ),
        pytest.param([user(NOTE, "Sum up.")], [said("user", f"{NOTE_TEXT}\n\nSum up.")], id="text document"),
        pytest.param(
            [
                user("a"),
                assistant(ThinkingPart("Hm."), ThinkingPart("Ah.", signature="s", sealed_by="anthropic"), "b", "c"),
                user("d"),
            ],
            [said("user", "a"), said("assistant", "bc", thinking="Hm."), said("user", "d")],
            id="thinking, but none that another provider sealed",
        ),
        pytest.param(
            [user("a"), assistant(RefusalPart("No.")), user("b")],
            [said("user", "a"), said("assistant", "No."), said("user", "b")],
            id="refusal",
        ),
        pytest.param(
            [user("a"), assistant(ThinkingPart("Hm.")), user("b")],
            [said("user", "a"), said("user", "b")],
            id="thinking alone",
        ),
        pytest.param(
            [*ASKED, tool_result(CALL, "7 °C", NOTE, GIF)],
            [*ASKED_SENT, result("c1", "look_up", f"7 °C\n\n{NOTE_TEXT}", images=[GIF_SENT])],
            id="tool result",
        ),
        pytest.param(
            [*ASKED, tool_result(CALL, "No such city.", is_error=True)],
            [*ASKED_SENT, result("c1", "look_up", "Error: No such city.")],
            id="tool that failed",
        ),
        pytest.param(
            [
                user("Hi"),
                assistant("So:", CALL, BROKEN),
                user(ToolResult("c2", (TextPart("What?"),)), "a"),
                user(ToolResult("c1", ()), "b"),
            ],
            [
                said("user", "Hi"),
                said(
                    "assistant",
                    "So:",
                    tool_calls=[
                        called("c1", "look_up", {"city": "Oslo"}),
                        called("c2", "add", {"unreadable_arguments": '{"a": '}),
                    ],
                ),
                *(result("c2", "add", "What?"), result("c1", "look_up", "")),
                *(said("user", "a"), said("user", "b")),
            ],
            id="two calls, one with arguments that are no object",
        ),
    ],
)
def test_a_conversation_is_said_in_ollamas_words(messages, sent):
    """A message is one text with images beside it; a result names its tool. The official package knows every field."""
    body = body_of(Request(messages=messages))

    assert sent == body["messages"]
    check_ollama(body)


TOOL = Tool(name="look_up", description="Looks up.", parameters=SCHEMA, strict=True, cache="5m")
TOOL_SENT = {"type": "function", "function": {"name": "look_up", "description": "Looks up.", "parameters": SCHEMA}}


@pytest.mark.parametrize(
    ("model", "asked", "sent"),
    [
        ("m", {"system": [TextPart("a"), TextPart("b")]}, {"messages": [said("system", "a\n\nb"), said("user", "Hi")]}),
        ("m", {"tools": [TOOL]}, {"tools": [TOOL_SENT]}),
        ("m", {"tools": [TOOL], "tool_choice": "auto"}, {"tools": [TOOL_SENT]}),
        ("m", {"tools": [TOOL], "tool_choice": "none"}, {}),
        ("m", {"response_format": ResponseFormat(name="city", schema=SCHEMA)}, {"format": SCHEMA}),
        (
            "m",
            {"response_format": ResponseFormat(name="city", schema=SCHEMA, description="A city.", strict=False)},
            {"format": {"description": "A city.", **SCHEMA}},
        ),
        ("m", {"reasoning": "off"}, {"think": False}),
        ("m", {"reasoning": "low"}, {"think": True}),
        ("m", {"reasoning": 500}, {"think": True}),
        ("gpt-oss:20b", {"reasoning": "off"}, {"think": False}),
        ("gpt-oss:20b", {"reasoning": "low"}, {"think": "low"}),
        ("library/GPT-OSS:120b", {"reasoning": 8192}, {"think": "medium"}),
        ("m", {"reasoning": "off", "extra": {"think": True}}, {"think": True}),
    ],
)
def test_what_is_asked_for_beside_the_messages(model, asked, sent):
    """Each option has its field, which the official package knows, and is left out where it is left open.

    Levels of thinking are for gpt-oss alone; other models think or don't.
    """
    body = body_of(Request(messages=[user("Hi")], **asked), model)

    assert body_of(Request.of("Hi"), model) | sent == body
    check_ollama(body)


@pytest.mark.parametrize(
    ("reasoning", "think", "sent"),
    [(None, None, None), (None, True, True), (None, False, False), ("off", True, False), ("low", False, True)],
)
def test_the_request_decides_on_thinking_before_the_settings(reasoning, think, sent):
    """The setting `think` counts where the request says nothing."""
    assert sent == body_of(Request(messages=[user("Hi")], reasoning=reasoning), think=think).get("think")


BYTES = "Ollama fetches no images; give the bytes"
TEXT = "Ollama takes no documents but text, by its bytes"


@pytest.mark.parametrize(
    ("part", "path", "why"),
    [
        (ImagePart(url="https://example.com/a.gif"), "image.url", BYTES),
        (DocumentPart(url="https://example.com/a.txt"), "document", TEXT),
        (DocumentPart(data=b"%PDF-", media_type="application/pdf"), "document", TEXT),
        (
            DocumentPart(data=b"\xff", media_type="text/plain"),
            "document.data",
            "text/plain is sent as text, and these bytes are no UTF-8",
        ),
    ],
)
@pytest.mark.parametrize("in_result", [False, True])
def test_what_cannot_be_said_is_refused_where_it_stands(part, path, why, in_result):
    """The error names the part by its path, and says what would do instead."""
    messages = [*ASKED, tool_result(CALL, "Here:", part)] if in_result else [user("Look:", part)]
    where = "messages[2].parts[0].content[1]" if in_result else "messages[0].parts[1]"
    with pytest.raises(ConfigError) as caught:
        body_of(Request(messages=messages))

    assert (f"{where}.{path}: {why}", ErrorKind.BAD_REQUEST) == (str(caught.value), caught.value.kind)


@pytest.mark.parametrize("choice", ["required", NamedTool("look_up")])
def test_no_model_can_be_made_to_call_a_tool(choice):
    """A choice that Ollama could only forget is refused."""
    with pytest.raises(ConfigError, match=r"^tool_choice: Ollama can't make a model call a tool"):
        body_of(Request(messages=[user("Hi")], tools=[TOOL], tool_choice=choice))


def cannot_be_said(request: Request) -> bool:
    """Whether there is something in a request that Ollama has no words for, among what is drawn."""
    parts = [part for message in request.messages for part in message.parts]
    parts += [piece for part in parts if isinstance(part, ToolResult) for piece in part.content]
    documents = [part for part in parts if isinstance(part, DocumentPart)]
    return (
        request.tool_choice not in (None, "auto", "none")
        or any(part.url for part in parts if isinstance(part, ImagePart))
        or any(part.media_type != "text/plain" or not is_utf8(part.data or b"") for part in documents)
    )


def is_utf8(data: bytes) -> bool:
    return "\N{REPLACEMENT CHARACTER}" not in data.decode(errors="replace")


@given(requests())
def test_any_request_is_a_body_or_a_mistake(request):
    """A valid request gives a body that the official package accepts, or a `ConfigError` for a documented reason."""
    if cannot_be_said(request):
        with pytest.raises(ConfigError, match=r"^(messages\[\d+\]\.parts\[\d+\].*(image|document)|tool_choice)"):
            body_of(request)
    else:
        check_ollama(body_of(request))
