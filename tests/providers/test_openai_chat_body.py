"""Chat Completions: how a whole conversation is said, in OpenAI's words and in those of other servers."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from official_requests import check_openai_chat
from strategies import requests

from gestura.chat_dialect import ChatDialect
from gestura.config import ProviderSettings
from gestura.conversation import Request
from gestura.errors import ConfigError, ErrorKind
from gestura.messages import assistant, tool_result, user
from gestura.parts import (
    DocumentPart,
    ImagePart,
    RefusalPart,
    TextPart,
    ThinkingPart,
    ToolCall,
    ToolResult,
    document,
    image,
)
from gestura.providers import BUILTIN_PROVIDERS
from gestura.request_options import NamedTool, ResponseFormat, Sampling, Tool

OPENAI = ChatDialect()
GIF = image(b"GIF8")
GIF_SENT = {"type": "image_url", "image_url": {"url": "data:image/gif;base64,R0lGOA=="}}
PDF = document(b"%PDF-1.7", name="report.pdf")
PDF_SENT = {"type": "file", "file": {"filename": "report.pdf", "file_data": "data:application/pdf;base64,JVBERi0xLjc="}}
NOTE = DocumentPart(data="Grüße".encode(), media_type="text/plain", name="a<b.txt")
NOTE_TEXT = '<document name="a&lt;b.txt">\nGrüße\n</document>'
CALL, OTHER = ToolCall("c1", "look_up", '{"city": "Oslo"'), ToolCall("c2", "look_up", "{}")
CALL_SENT = {"id": "c1", "type": "function", "function": {"name": "look_up", "arguments": '{"city": "Oslo"'}}
OTHER_SENT = {"id": "c2", "type": "function", "function": {"name": "look_up", "arguments": "{}"}}
SIGNED = ThinkingPart("Hm.", signature='{"type":"reasoning.text","signature":"c2VhbA=="}', sealed_by="openai_chat")
FOREIGN = ThinkingPart("Ah.", signature="c2VhbA==", sealed_by="anthropic")
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}


def body_of(request: Request, dialect: ChatDialect = OPENAI, kind: str = "openai_chat") -> dict[str, Any]:
    settings = ProviderSettings(kind=kind, model="m", dialect=dialect)
    return json.loads(BUILTIN_PROVIDERS[kind](settings).ask(request).body)


def text(words: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": words, **more}


def said(role: str, content: Any, **more: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **more}


def result(call_id: str, content: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id, "content": content}


ASKED = [user("Hi"), assistant(CALL)]
ASKED_SENT = [said("user", "Hi"), said("assistant", None, tool_calls=[CALL_SENT])]


@pytest.mark.parametrize(
    ("messages", "sent"),
    [
        pytest.param(
            [user("a"), assistant("b"), user("c")],
            [said("user", "a"), said("assistant", "b"), said("user", "c")],
            id="turns",
        ),
        pytest.param([user("a"), user("b")], [said("user", "a"), said("user", "b")], id="turns of one speaker"),
        pytest.param([user("a", "b")], [said("user", [text("a"), text("b")])], id="two texts"),
        pytest.param([user("What is this?", GIF)], [said("user", [text("What is this?"), GIF_SENT])], id="image"),
        pytest.param(
            [user(image("https://example.com/a.png"))],
            [said("user", [{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}])],
            id="image by its address",
        ),
        pytest.param([user(PDF, "Sum it up.")], [said("user", [PDF_SENT, text("Sum it up.")])], id="document"),
        pytest.param(
            [user(attrs.evolve(PDF, name=None))],
            [said("user", [PDF_SENT | {"file": PDF_SENT["file"] | {"filename": "document.pdf"}}])],
            id="document without a name",
        ),
        pytest.param(
            [user(NOTE, "Sum it up.")], [said("user", [text(NOTE_TEXT), text("Sum it up.")])], id="text document"
        ),
        pytest.param(
            [user("a"), assistant(ThinkingPart("Hm."), "b", "c", RefusalPart("No.")), user("d")],
            [said("user", "a"), said("assistant", "bc", refusal="No."), said("user", "d")],
            id="what the model said",
        ),
        pytest.param(
            [user("a"), assistant(ThinkingPart("Hm.")), user("b")],
            [said("user", "a"), said("user", "b")],
            id="thinking alone",
        ),
        pytest.param([*ASKED, tool_result(CALL, "7 °C")], [*ASKED_SENT, result("c1", "7 °C")], id="tool result"),
        pytest.param([*ASKED, tool_result(CALL)], [*ASKED_SENT, result("c1", "")], id="empty tool result"),
        pytest.param(
            [*ASKED, tool_result(CALL, "a", NOTE)],
            [*ASKED_SENT, result("c1", f"a\n\n{NOTE_TEXT}")],
            id="texts of a tool",
        ),
        pytest.param(
            [*ASKED, tool_result(CALL, "No such city.", is_error=True)],
            [*ASKED_SENT, result("c1", "Error: No such city.")],
            id="tool that failed",
        ),
        pytest.param(
            [*ASKED, user("Quick!", ToolResult("c1", (TextPart("7 °C"),)))],
            [*ASKED_SENT, result("c1", "7 °C"), said("user", "Quick!")],
            id="results stand before what else the user says",
        ),
        pytest.param(
            [
                user("Hi"),
                assistant("So:", CALL, OTHER),
                user(ToolResult("c2", ()), "a"),
                user(ToolResult("c1", ()), "b"),
            ],
            [
                said("user", "Hi"),
                said("assistant", "So:", tool_calls=[CALL_SENT, OTHER_SENT]),
                *(result("c2", ""), result("c1", "")),
                *(said("user", "a"), said("user", "b")),
            ],
            id="results in several messages",
        ),
        pytest.param(
            [*ASKED, tool_result(CALL, "A map:", GIF, PDF), user("Where?")],
            [
                *ASKED_SENT,
                result(
                    "c1",
                    "A map:\n\n[attachment 2 of tool result c1: see the user's next message]\n\n"
                    "[attachment 3 of tool result c1: see the user's next message]",
                ),
                said(
                    "user",
                    [
                        *(text("[attachment 2 of tool result c1]"), GIF_SENT),
                        *(text("[attachment 3 of tool result c1]"), PDF_SENT),
                        text("Where?"),
                    ],
                ),
            ],
            id="image and document of a tool",
        ),
        pytest.param(
            [*ASKED, tool_result(CALL, GIF)],
            [
                *ASKED_SENT,
                result("c1", "[attachment 1 of tool result c1: see the user's next message]"),
                said("user", [text("[attachment 1 of tool result c1]"), GIF_SENT]),
            ],
            id="image of a tool, and nothing behind it",
        ),
    ],
)
def test_a_conversation_is_said_in_openais_words(messages, sent):
    """Each part has its place, which the official package knows; what has none is told in text, and where it went."""
    body = body_of(Request(messages=messages))

    assert sent == body["messages"]
    check_openai_chat(body)


def test_ids_that_openai_refuses_are_replaced():
    """An id of more than 40 characters is another one on the wire, the same for the call and its result."""
    long = ToolCall("x" * 41, "look_up", "{}")
    _, asked, answered = body_of(Request(messages=[user("Hi"), assistant(long), tool_result(long)]))["messages"]

    assert answered["tool_call_id"] == asked["tool_calls"][0]["id"]
    assert 40 >= len(answered["tool_call_id"])


TOOL = Tool(name="look_up", description="Looks up.", parameters=SCHEMA)
TOOL_SENT = {"type": "function", "function": {"name": "look_up", "description": "Looks up.", "parameters": SCHEMA}}
BARE_TOOL = {"type": "function", "function": {"name": "t", "parameters": {"type": "object", "properties": {}}}}


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        pytest.param({"system": "s"}, {"messages": [said("system", "s"), said("user", "Hi")]}, id="system"),
        pytest.param(
            {"system": [TextPart("a"), TextPart("b", cache="1h")]},
            {"messages": [said("system", "a\n\nb"), said("user", "Hi")]},
            id="system in parts",
        ),
        pytest.param({"tools": [TOOL]}, {"tools": [TOOL_SENT]}, id="tool"),
        pytest.param(
            {"tools": [Tool(name="t", cache="5m")]}, {"tools": [BARE_TOOL]}, id="tool of which nothing is told"
        ),
        pytest.param(
            {"tools": [attrs.evolve(TOOL, strict=True)]},
            {"tools": [{"type": "function", "function": TOOL_SENT["function"] | {"strict": True}}]},
            id="strict tool",
        ),
        *(
            pytest.param(
                {"tools": [TOOL], "tool_choice": choice}, {"tools": [TOOL_SENT], "tool_choice": word}, id=f"{choice}"
            )
            for choice, word in [
                *((word, word) for word in ("auto", "required", "none")),
                (NamedTool("look_up"), {"type": "function", "function": {"name": "look_up"}}),
            ]
        ),
        pytest.param({"tool_choice": "none"}, {}, id="no tools to choose none of"),
        pytest.param(
            {"response_format": ResponseFormat(name="city", schema=SCHEMA)},
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "city", "schema": SCHEMA, "strict": True},
                }
            },
            id="response format",
        ),
        pytest.param(
            {"response_format": ResponseFormat(name="city", schema=SCHEMA, description="A city.", strict=False)},
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "city", "description": "A city.", "schema": SCHEMA, "strict": False},
                }
            },
            id="response format with all its fields",
        ),
        *(
            pytest.param({"reasoning": reasoning}, {"reasoning_effort": effort}, id=f"reasoning {reasoning}")
            for reasoning, effort in [
                *(("off", "none"), ("low", "low"), ("medium", "medium"), ("high", "high")),
                *((1, "low"), (8191, "low"), (8192, "medium"), (30_000, "high")),
            ]
        ),
    ],
)
@pytest.mark.parametrize("kind", ["openai_chat", "grok_chat"])
def test_what_is_asked_for_beside_the_messages(kind, asked, sent):
    """Each option has its field, which the official package knows, and is left out where it is left open."""
    body = body_of(Request(messages=[user("Hi")], **asked), kind=kind)
    bare = body_of(Request.of("Hi"), kind=kind)

    assert bare | sent == body
    check_openai_chat(body)


HISTORY = [user("a"), assistant(ThinkingPart("So."), SIGNED, FOREIGN, "b"), user("c")]
SHORT = ToolCall("a1B2c3D4e", "look_up", "{}")
MADE = hashlib.sha256(b"c1\x000").hexdigest()[:9]
CACHED = {"cache_control": {"type": "ephemeral"}}
CACHED_LONG = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}


@pytest.mark.parametrize(
    ("dialect", "asked", "sent"),
    [
        pytest.param(
            {"field_names": {"max_completion_tokens": "max_tokens", "seed": "random_seed"}},
            {"sampling": Sampling(max_output_tokens=7, seed=1), "extra": {"seed": 2}},
            {"max_tokens": 7, "random_seed": 1, "seed": 2},
            id="other names, and extra fields as they are",
        ),
        *(
            pytest.param({"reasoning_asked_in": field}, {"reasoning": reasoning}, sent, id=f"{field}: {reasoning}")
            for field, reasoning, sent in [
                ("reasoning", "off", {"reasoning": {"effort": "none"}}),
                ("reasoning", "low", {"reasoning": {"effort": "low"}}),
                ("reasoning", 2000, {"reasoning": {"max_tokens": 2000}}),
                ("reasoning", None, {}),
                ("thinking", "off", {"thinking": {"type": "disabled"}}),
                ("thinking", "high", {"thinking": {"type": "enabled"}, "reasoning_effort": "high"}),
                ("thinking", 9000, {"thinking": {"type": "enabled"}, "reasoning_effort": "medium"}),
                ("thinking", None, {}),
            ]
        ),
        *(
            pytest.param(
                {"reasoning_returned_in": field},
                {"messages": HISTORY},
                {"messages": [said("user", "a"), said("assistant", "b", **back), said("user", "c")]},
                id=f"thinking in {field}",
            )
            for field, back in [
                (None, {}),
                ("reasoning_content", {"reasoning_content": "So.Hm."}),
                ("reasoning", {"reasoning": "So.Hm."}),
                (
                    "reasoning_details",
                    {"reasoning_details": [{"type": "reasoning.text", "signature": "c2VhbA==", "text": "Hm."}]},
                ),
            ]
        ),
        pytest.param(
            {"short_call_ids": True},
            {"messages": [user("a"), assistant(SHORT, CALL), user(ToolResult("c1", ()), ToolResult("a1B2c3D4e", ()))]},
            {
                "messages": [
                    said("user", "a"),
                    said("assistant", None, tool_calls=[OTHER_SENT | {"id": "a1B2c3D4e"}, CALL_SENT | {"id": MADE}]),
                    *(result(MADE, ""), result("a1B2c3D4e", "")),
                ]
            },
            id="ids of nine letters and digits",
        ),
        pytest.param(
            {"cache_control": True},
            {
                "system": [TextPart("a"), TextPart("b", cache="1h")],
                "messages": [
                    user(TextPart("c", cache="5m")),
                    assistant("d", CALL),
                    user(ToolResult("c1", (TextPart("e", cache="5m"),)), attrs.evolve(GIF, cache="5m")),
                    assistant(TextPart("f", cache="5m"), OTHER),
                    user(ToolResult("c2", (TextPart("g"),), cache="1h")),
                ],
                "tools": [attrs.evolve(TOOL, cache="5m")],
            },
            {
                "messages": [
                    said("system", [text("a"), text("b", **CACHED_LONG)]),
                    said("user", [text("c", **CACHED)]),
                    said("assistant", "d", tool_calls=[CALL_SENT]),
                    result("c1", [text("e", **CACHED)]),
                    said("user", [GIF_SENT | CACHED]),
                    said("assistant", [text("f", **CACHED)], tool_calls=[OTHER_SENT]),
                    result("c2", [text("g", **CACHED_LONG)]),
                ],
                "tools": [TOOL_SENT | CACHED],
            },
            id="cache hints",
        ),
    ],
)
def test_a_dialect_is_said_in_its_own_words(dialect, asked, sent):
    """What a server wants otherwise than OpenAI it gets, and all else is as for OpenAI."""
    asked = {"messages": [user("Hi")], **asked}

    assert body_of(Request(messages=asked["messages"])) | sent == body_of(Request(**asked), ChatDialect(**dialect))


def test_extra_fields_are_untouched_and_win():
    """A provider's own fields go into the body as they are, over ours too."""
    extra = {"reasoning_effort": "xhigh", "messages": [], "user": "u1", "stream_options": None}
    body = body_of(Request(messages=[user("Hi")], reasoning="low", extra=extra))

    assert {"model": "m", "stream": True, **extra} == body


NO_GIF = "Chat Completions fetches https:// only; or give the bytes"


@pytest.mark.parametrize(
    ("part", "path", "why"),
    [
        (ImagePart(url="gs://bucket/a.gif"), "image.url", NO_GIF),
        (
            DocumentPart(url="https://example.com/a.pdf"),
            "document.url",
            "Chat Completions fetches no documents; give the bytes",
        ),
        (DocumentPart(url="data:application/pdf;base64,???"), "document.url", "no valid data: URL"),
        (
            DocumentPart(data=b"PK", media_type="application/zip"),
            "document.media_type",
            "Chat Completions takes PDF and text, not application/zip",
        ),
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


def test_a_seal_that_is_none_is_refused():
    """A server that wants its entries back is not sent anything else."""
    broken = ThinkingPart("Hm.", signature="c2VhbA==", sealed_by="openai_chat")
    request = Request(messages=[user("a"), assistant(broken, "b"), user("c")])
    with pytest.raises(ConfigError, match=r"^messages\[1\]\.parts\[0\]\.signature: no seal of openai_chat$"):
        body_of(request, ChatDialect(reasoning_returned_in="reasoning_details"))


def cannot_be_said(request: Request) -> bool:
    """Whether there is something in a request that Chat Completions has no words for, among what is drawn."""
    parts = [part for message in request.messages for part in message.parts]
    documents = [part for part in parts if isinstance(part, DocumentPart)]
    return any(part.data is None or (part.media_type == "text/plain" and not is_utf8(part.data)) for part in documents)


def is_utf8(data: bytes) -> bool:
    return "\N{REPLACEMENT CHARACTER}" not in data.decode(errors="replace")


DIALECTS = st.builds(
    ChatDialect,
    field_names=st.sampled_from([{}, {"max_completion_tokens": "max_tokens"}]),
    reasoning_asked_in=st.sampled_from(["reasoning_effort", "reasoning", "thinking"]),
    reasoning_returned_in=st.sampled_from([None, "reasoning_content", "reasoning", "reasoning_details"]),
    cache_control=st.booleans(),
    short_call_ids=st.booleans(),
)
OWN_FIELDS = {"cache_control", "max_tokens", "reasoning", "reasoning_content", "reasoning_details", "thinking"}
"""The fields of dialects that the official package does not know."""


@given(requests(), DIALECTS)
def test_any_request_is_a_body_or_a_mistake(request, dialect):
    """A valid request gives a body that the official package accepts, but for a dialect's fields, or a `ConfigError`.

    The only reasons are those that the documentation gives.
    """
    if cannot_be_said(request):
        for each in (OPENAI, dialect):
            with pytest.raises(ConfigError, match=r"^messages\[\d+\]\.parts\[\d+\]\.document\."):
                body_of(request, each)
    else:
        check_openai_chat(body_of(request))
        check_openai_chat(without(OWN_FIELDS, body_of(request, dialect)))


def without(fields: set[str], value: Any) -> Any:
    match value:
        case dict():
            return {name: without(fields, each) for name, each in value.items() if name not in fields}
        case list():
            return [without(fields, each) for each in value]
        case _:
            return value
