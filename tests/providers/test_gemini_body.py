"""Gemini: how a whole conversation is said, what goes with it, and what can't be said."""

from __future__ import annotations

import json
import re
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from official_requests import check_gemini
from strategies import requests

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
from gestura.providers.gemini import Gemini
from gestura.request_options import NamedTool, ResponseFormat, Tool

OLD, NEW = "gemini-2.5-flash", "gemini-3.5-flash"
GIF = image(b"GIF8")
GIF_SENT = {"inlineData": {"mimeType": "image/gif", "data": "R0lGOA=="}}
PDF = document(b"%PDF-1.7", name="report.pdf")
PDF_SENT = {"inlineData": {"mimeType": "application/pdf", "data": "JVBERi0xLjc="}}
CALL, OTHER = ToolCall("c1", "look_up", '{"city": "Oslo"}'), ToolCall("c2", "now", "")
SEALED_CALL = attrs.evolve(CALL, signature="c2VhbA==", sealed_by="gemini")
CALL_SENT = {"functionCall": {"id": "c1", "name": "look_up", "args": {"city": "Oslo"}}}
OTHER_SENT = {"functionCall": {"id": "c2", "name": "now", "args": {}}}
SEAL = {"thoughtSignature": "c2VhbA=="}
NO_SEAL = {"thoughtSignature": "skip_thought_signature_validator"}
SEALED = ThinkingPart("Hm.", signature="c2VhbA==", sealed_by="gemini")
SEAL_ON_TEXT = ThinkingPart("", signature="c2VhbA==", sealed_by="gemini")
FOREIGN = ThinkingPart("Ah.", signature="c2VhbA==", sealed_by="anthropic")
UNSEALED = ThinkingPart("Oh.")
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "additionalProperties": False}
TOOL = Tool(name="look_up", parameters=SCHEMA)
TOOLS_SENT = {"tools": [{"functionDeclarations": [{"name": "look_up", "parametersJsonSchema": SCHEMA}]}]}


def body_of(request: Request, model: str = OLD) -> dict[str, Any]:
    return json.loads(Gemini(ProviderSettings(kind="gemini", model=model)).ask(request).body)


def text(words: str) -> dict[str, Any]:
    return {"text": words}


def said(role: str, *parts: dict[str, Any]) -> dict[str, Any]:
    return {"role": role, "parts": list(parts)}


def result(call: str, name: str, response: Any, **more: Any) -> dict[str, Any]:
    return {"functionResponse": {"id": call, "name": name, "response": response, **more}}


@pytest.mark.parametrize(
    ("messages", "sent"),
    [
        pytest.param(
            [user("a"), assistant("b"), user("c")],
            [said("user", text("a")), said("model", text("b")), said("user", text("c"))],
            id="turns",
        ),
        pytest.param([user("a"), user("b")], [said("user", text("a"), text("b"))], id="turns of one speaker"),
        pytest.param(
            [user("a", "", GIF, PDF)], [said("user", text("a"), GIF_SENT, PDF_SENT)], id="parts, an empty one"
        ),
        pytest.param(
            [
                user(
                    image("https://example.com/a.PNG?size=1"),
                    document("https://example.com/a", media_type="application/pdf"),
                    document("https://generativelanguage.googleapis.com/v1beta/files/abc"),
                    image("gs://bucket/a.webp"),
                )
            ],
            [
                said(
                    "user",
                    {"fileData": {"fileUri": "https://example.com/a.PNG?size=1", "mimeType": "image/png"}},
                    {"fileData": {"fileUri": "https://example.com/a", "mimeType": "application/pdf"}},
                    {"fileData": {"fileUri": "https://generativelanguage.googleapis.com/v1beta/files/abc"}},
                    {"fileData": {"fileUri": "gs://bucket/a.webp", "mimeType": "image/webp"}},
                )
            ],
            id="addresses",
        ),
        pytest.param([user(ImagePart(url="data:image/gif;base64,R0lGOA=="))], [said("user", GIF_SENT)], id="data: URL"),
        pytest.param(
            [
                user("a"),
                assistant(SEALED, "b", SEAL_ON_TEXT, SEALED_CALL, OTHER),
                user("c", *map(ToolResult, ("c1", "c2"), ((), ()))),
            ],
            [
                said("user", text("a")),
                said(
                    "model",
                    text("Hm.") | {"thought": True} | SEAL,
                    text("b"),
                    text("") | SEAL,
                    CALL_SENT | SEAL,
                    OTHER_SENT,
                ),
                said("user", result("c1", "look_up", {"output": ""}), result("c2", "now", {"output": ""}), text("c")),
            ],
            id="seals in their places",
        ),
        pytest.param(
            [user("a"), assistant(FOREIGN, UNSEALED, "b", RefusalPart("No.")), user("c")],
            [said("user", text("a")), said("model", text("b"), text("No.")), said("user", text("c"))],
            id="thinking under no seal of Gemini's",
        ),
        pytest.param(
            [user("a"), assistant(FOREIGN), user("b")],
            [said("user", text("a"), text("b"))],
            id="a turn in which nothing is left",
        ),
        pytest.param(
            [
                user("a"),
                assistant(SEALED_CALL, OTHER),
                tool_result(CALL, '{"celsius": 6}'),
                tool_result(OTHER, "no", is_error=True),
            ],
            [
                said("user", text("a")),
                said("model", CALL_SENT | SEAL, OTHER_SENT),
                said("user", result("c1", "look_up", {"celsius": 6}), result("c2", "now", {"error": "no"})),
            ],
            id="results: an object, and a failure",
        ),
    ],
)
@pytest.mark.parametrize("model", [OLD, NEW])
def test_a_conversation_is_said_in_geminis_terms(model, messages, sent):
    """Turns alternate; what is in them keeps its order, but for results, which come first, and what is not sent."""
    body = body_of(Request(messages=messages), model)

    assert sent == body["contents"]
    check_gemini(body)


@pytest.mark.parametrize(
    ("model", "sent"),
    [
        (OLD, [said("user", result("c1", "look_up", {"output": "a sky"}), GIF_SENT)]),
        (NEW, [said("user", result("c1", "look_up", {"output": "a sky"}, parts=[GIF_SENT]))]),
        ("gemini-flash-latest", [said("user", result("c1", "look_up", {"output": "a sky"}, parts=[GIF_SENT]))]),
    ],
)
def test_pictures_of_a_tool_are_in_its_result_or_behind_it(model, sent):
    """Models before Gemini 3 take text only in a result; pictures then follow the results, in the same turn."""
    request = Request(messages=[user("a"), assistant(SEALED_CALL), tool_result(CALL, "a sky", GIF)])
    body = body_of(request, model)

    assert sent == body["contents"][2:]
    check_gemini(body)


@pytest.mark.parametrize(
    ("model", "calls", "sent"),
    [
        (OLD, (CALL, OTHER), (CALL_SENT, OTHER_SENT)),
        (NEW, (CALL, OTHER), (CALL_SENT | NO_SEAL, OTHER_SENT)),
        (NEW, (SEALED_CALL, OTHER), (CALL_SENT | SEAL, OTHER_SENT)),
        (NEW, (attrs.evolve(CALL, signature="x", sealed_by="openai_chat"), OTHER), (CALL_SENT | NO_SEAL, OTHER_SENT)),
    ],
)
def test_calls_of_another_model_say_that_they_have_no_seal(model, calls, sent):
    """Models since Gemini 3 refuse a turn with calls without a seal on the first, unless it says so."""
    body = body_of(Request(messages=[user("a"), assistant(*calls), *(tool_result(call, "b") for call in calls)]), model)

    assert said("model", *sent) == body["contents"][1]
    check_gemini(body)


@pytest.mark.parametrize(
    ("fields", "sent"),
    [
        (
            {"system": [TextPart("s"), TextPart(""), TextPart("t", cache="5m")]},
            {"systemInstruction": {"parts": [text("s"), text("t")]}},
        ),
        ({"tools": [TOOL]}, TOOLS_SENT),
        (
            {"tools": [TOOL], "tool_choice": "auto"},
            TOOLS_SENT | {"toolConfig": {"functionCallingConfig": {"mode": "AUTO"}}},
        ),
        (
            {"tools": [TOOL], "tool_choice": "required"},
            TOOLS_SENT | {"toolConfig": {"functionCallingConfig": {"mode": "ANY"}}},
        ),
        (
            {"tools": [TOOL], "tool_choice": "none"},
            TOOLS_SENT | {"toolConfig": {"functionCallingConfig": {"mode": "NONE"}}},
        ),
        (
            {"tools": [TOOL], "tool_choice": NamedTool("look_up")},
            TOOLS_SENT
            | {"toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["look_up"]}}},
        ),
        ({"tool_choice": "none"}, {}),
        (
            {"tools": [attrs.evolve(TOOL, description="Looks up.", cache="1h")]},
            {
                "tools": [
                    {
                        "functionDeclarations": [
                            {"name": "look_up", "description": "Looks up.", "parametersJsonSchema": SCHEMA}
                        ]
                    }
                ]
            },
        ),
        (
            {"response_format": ResponseFormat(name="place", schema=SCHEMA, description="A place.")},
            {
                "generationConfig": {
                    "responseMimeType": "application/json",
                    "responseJsonSchema": {"description": "A place.", **SCHEMA},
                }
            },
        ),
    ],
)
def test_what_is_asked_for_has_its_field(fields, sent):
    """System instructions, tools, the choice among them and the shape of the answer; what is left open is left out."""
    body = body_of(Request(messages=[user("Hi")], **fields))

    assert {"contents": [said("user", text("Hi"))]} | sent == body
    check_gemini(body)


@pytest.mark.parametrize(
    ("model", "reasoning", "sent"),
    [
        (OLD, "off", {"thinkingBudget": 0}),
        (OLD, "low", {"thinkingBudget": 1024, "includeThoughts": True}),
        (OLD, "medium", {"thinkingBudget": 8192, "includeThoughts": True}),
        (OLD, "high", {"thinkingBudget": 24_576, "includeThoughts": True}),
        (OLD, 2000, {"thinkingBudget": 2000, "includeThoughts": True}),
        (NEW, "off", {"thinkingLevel": "minimal"}),
        (NEW, "high", {"thinkingLevel": "high", "includeThoughts": True}),
        (NEW, 2000, {"thinkingBudget": 2000, "includeThoughts": True}),
        ("gemini-3-pro-preview", "low", {"thinkingLevel": "low", "includeThoughts": True}),
        ("gemini-4-argon", "low", {"thinkingLevel": "low", "includeThoughts": True}),
        ("gemini-pro-latest", "low", {"thinkingLevel": "low", "includeThoughts": True}),
    ],
)
def test_reasoning_is_asked_for_in_the_terms_of_the_model(model, reasoning, sent):
    """Models since Gemini 3 take a level, those before a budget; whoever asks for thoughts is shown them."""
    body = body_of(Request(messages=[user("Hi")], reasoning=reasoning), model)

    assert {"thinkingConfig": sent} == body["generationConfig"]
    check_gemini(body)


@pytest.mark.parametrize(
    ("part", "problem"),
    [
        (TextPart(""), "messages[0].parts[0]: Gemini refuses a message of empty text alone"),
        (image("https://example.com/a"), "messages[0].parts[0].image.media_type: Gemini has to be told the type"),
        (document("https://example.com/a.xyz"), "messages[0].parts[0].document.media_type: Gemini has to be told"),
        (DocumentPart(url="data:application/pdf"), "messages[0].parts[0].document.url: no valid data: URL"),
    ],
)
def test_what_gemini_has_no_terms_for_is_refused(part, problem):
    """The error names the path, before anything is sent."""
    with pytest.raises(ConfigError, match=f"^{re.escape(problem)}") as caught:
        body_of(Request(messages=[user(part)]))

    assert ErrorKind.BAD_REQUEST is caught.value.kind


@given(requests(), st.sampled_from([OLD, NEW]))
def test_any_request_is_a_body(request, model):
    """A valid request, of those that are drawn, gives a body that the official package accepts."""
    check_gemini(body_of(request, model))
