"""Responses: how a whole conversation is said, what goes with it, and what can't be said."""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest
from hypothesis import given
from official_requests import check_openai_responses
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
from gestura.providers.openai_responses import OpenAIResponses
from gestura.request_options import NamedTool, ResponseFormat, Sampling, Tool

GIF = image(b"GIF8")
GIF_SENT = {"type": "input_image", "detail": "auto", "image_url": "data:image/gif;base64,R0lGOA=="}
CALL, OTHER = ToolCall("c1", "look_up", '{"city": "Os'), ToolCall("c2", "look_up", "")
CALL_SENT = {"type": "function_call", "call_id": "c1", "name": "look_up", "arguments": '{"city": "Os'}
OTHER_SENT = {"type": "function_call", "call_id": "c2", "name": "look_up", "arguments": "{}"}
REASONING = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "c2VhbA=="}
SEALED = ThinkingPart("Hm.", signature=json.dumps(REASONING), sealed_by="openai_responses")
FOREIGN = ThinkingPart("Ah.", signature="c2VhbA==", sealed_by="anthropic")
UNSEALED = ThinkingPart("Oh.")
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOL = Tool(name="look_up", parameters=SCHEMA)
TOOL_SENT = {"type": "function", "name": "look_up", "parameters": SCHEMA, "strict": False}


def body_of(request: Request) -> dict[str, Any]:
    provider = OpenAIResponses(ProviderSettings(kind="openai_responses", model="m"))
    return json.loads(provider.ask(request).body)


def asked(*content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content[0] if isinstance(content[0], str) else list(content)}


def answered(text: str) -> dict[str, Any]:
    return {"type": "message", "role": "assistant", "content": text}


def text(words: str) -> dict[str, Any]:
    return {"type": "input_text", "text": words}


def output(call: str, *content: Any) -> dict[str, Any]:
    told = content[0] if isinstance(content[0], str) else list(content)
    return {"type": "function_call_output", "call_id": call, "output": told}


@pytest.mark.parametrize(
    ("messages", "sent"),
    [
        pytest.param([user("a"), assistant("b"), user("c")], [asked("a"), answered("b"), asked("c")], id="turns"),
        pytest.param([user("a"), user("b")], [asked("a"), asked("b")], id="turns of one speaker"),
        pytest.param([user("a", GIF, "b")], [asked(text("a"), GIF_SENT, text("b"))], id="parts"),
        pytest.param(
            [user(image("https://example.com/a.png"), document("https://example.com/a.pdf"))],
            [
                asked(
                    {"type": "input_image", "detail": "auto", "image_url": "https://example.com/a.png"},
                    {"type": "input_file", "file_url": "https://example.com/a.pdf"},
                )
            ],
            id="addresses",
        ),
        pytest.param(
            [
                user(
                    document(b"%PDF-1.7", name="report.pdf"),
                    document(b"%PDF-1.7"),
                    DocumentPart(data=b"a", media_type="text/plain"),
                    DocumentPart(url="data:text/plain;base64,YQ=="),
                )
            ],
            [
                asked(
                    *(
                        {"type": "input_file", "filename": name, "file_data": f"data:{data}"}
                        for name, data in (
                            ("report.pdf", "application/pdf;base64,JVBERi0xLjc="),
                            ("document.pdf", "application/pdf;base64,JVBERi0xLjc="),
                            ("document.txt", "text/plain;base64,YQ=="),
                            ("document.txt", "text/plain;base64,YQ=="),
                        )
                    )
                )
            ],
            id="documents",
        ),
        pytest.param(
            [
                user("a"),
                assistant(SEALED, "b", "c", RefusalPart("d"), SEALED, CALL, OTHER),
                user("e", ToolResult("c1", ())),
                tool_result(OTHER, "f", GIF),
            ],
            [
                asked("a"),
                REASONING,
                answered("bcd"),
                REASONING,
                CALL_SENT,
                OTHER_SENT,
                output("c1", ""),
                asked("e"),
                output("c2", text("f"), GIF_SENT),
            ],
            id="items in their places",
        ),
        pytest.param(
            [user("a"), assistant(FOREIGN, UNSEALED, "b"), assistant(UNSEALED), assistant(), user("c")],
            [asked("a"), answered("b"), asked("c")],
            id="thinking under no seal of Responses'",
        ),
        pytest.param(
            [user("a"), assistant(CALL), tool_result(CALL, "6 °C")],
            [asked("a"), CALL_SENT, output("c1", "6 °C")],
            id="a result",
        ),
        pytest.param(
            [user("a"), assistant(CALL), tool_result(CALL, "no city", GIF, is_error=True)],
            [asked("a"), CALL_SENT, output("c1", text("Error: no city"), GIF_SENT)],
            id="a tool that failed",
        ),
        pytest.param(
            [user("a"), assistant(CALL), tool_result(CALL, is_error=True)],
            [asked("a"), CALL_SENT, output("c1", "Error:")],
            id="a tool that failed without a word",
        ),
    ],
)
def test_a_conversation_is_said_in_items(messages, sent):
    """Each part becomes an item, or a part of a message; the order is kept, but for results, which come first."""
    body = body_of(Request(messages=messages))

    assert sent == body["input"]
    check_openai_responses(body)


def test_ids_of_calls_are_made_to_fit_and_told_apart():
    """An id that is too long, or was used before, is sent as another, the same for call and result."""
    long, made_up = ToolCall("x" * 65, "f", "{}"), ToolCall("call_0", "f", "{}")
    turns = [user("a"), assistant(long, made_up), tool_result(long, "1"), tool_result(made_up, "2")]
    items = body_of(Request(messages=[*turns, assistant(made_up), tool_result(made_up, "3")]))["input"]
    calls = [item["call_id"] for item in items if item.get("type") == "function_call"]

    assert calls == [item["call_id"] for item in items if item.get("type") == "function_call_output"]
    assert ("call_0", 3) == (calls[1], len(set(calls)))
    assert all(len(call) <= 64 for call in calls)
    assert items[:5] == body_of(Request(messages=turns))["input"]


SHAPE = {"type": "json_schema", "name": "place", "schema": SCHEMA, "strict": True}


@pytest.mark.parametrize(
    ("fields", "sent"),
    [
        ({"system": [TextPart("s", cache="1h"), TextPart("t")]}, {"instructions": "s\n\nt"}),
        ({"tools": [TOOL]}, {"tools": [TOOL_SENT]}),
        (
            {"tools": [attrs.evolve(TOOL, description="Looks up.", strict=True, cache="5m")]},
            {"tools": [TOOL_SENT | {"description": "Looks up.", "strict": True}]},
        ),
        ({"tools": [TOOL], "tool_choice": "auto"}, {"tools": [TOOL_SENT], "tool_choice": "auto"}),
        ({"tools": [TOOL], "tool_choice": "required"}, {"tools": [TOOL_SENT], "tool_choice": "required"}),
        ({"tools": [TOOL], "tool_choice": "none"}, {"tools": [TOOL_SENT], "tool_choice": "none"}),
        (
            {"tools": [TOOL], "tool_choice": NamedTool("look_up")},
            {"tools": [TOOL_SENT], "tool_choice": {"type": "function", "name": "look_up"}},
        ),
        ({"tool_choice": "none"}, {}),
        (
            {"extra": {"tools": [{"type": "web_search"}]}, "tool_choice": "none"},
            {"tools": [{"type": "web_search"}], "tool_choice": "none"},
        ),
        ({"response_format": ResponseFormat(name="place", schema=SCHEMA)}, {"text": {"format": SHAPE}}),
        (
            {"response_format": ResponseFormat(name="place", schema=SCHEMA, description="A place.", strict=False)},
            {"text": {"format": SHAPE | {"description": "A place.", "strict": False}}},
        ),
        ({"reasoning": "off"}, {"reasoning": {"effort": "none"}}),
        ({"reasoning": "low"}, {"reasoning": {"effort": "low"}, "include": ["reasoning.encrypted_content"]}),
        ({"reasoning": 10_000}, {"reasoning": {"effort": "medium"}, "include": ["reasoning.encrypted_content"]}),
        (
            {"reasoning": "high", "extra": {"include": [], "store": False}},
            {"reasoning": {"effort": "high"}, "include": [], "store": False},
        ),
    ],
)
def test_what_is_asked_for_has_its_field(fields, sent):
    """Instructions, tools, the choice among them, reasoning and the shape of the answer; the rest is left out."""
    body = body_of(Request(messages=[user("Hi")], **fields))

    assert {"model": "m", "input": [asked("Hi")], "stream": True} | sent == body
    check_openai_responses(body)


NO_ITEM = ThinkingPart("", signature="c2VhbA==", sealed_by="openai_responses")
OTHER_ITEM = ThinkingPart("", signature='{"type":"message"}', sealed_by="openai_responses")


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"sampling": Sampling(stop="a")}, "sampling.stop: Responses has no stop sequences"),
        ({"sampling": Sampling(seed=0)}, "sampling.seed: Responses has no seed"),
        ({"messages": [user(ImagePart(url="gs://b/a.png"))]}, "messages[0].parts[0].image.url: OpenAI fetches from"),
        ({"messages": [user(DocumentPart(url="gs://b/a"))]}, "messages[0].parts[0].document.url: OpenAI fetches from"),
        ({"messages": [user(DocumentPart(url="data:text"))]}, "messages[0].parts[0].document.url: no valid data: URL"),
        ({"messages": [assistant(NO_ITEM), user("a")]}, "messages[0].parts[0].signature: a seal of this wire format"),
        ({"messages": [assistant("b", OTHER_ITEM), user("a")]}, "messages[0].parts[1].signature: a seal of this wire"),
    ],
)
def test_what_responses_has_no_terms_for_is_refused(fields, problem):
    """The error names the path, before anything is sent."""
    with pytest.raises(ConfigError) as caught:
        body_of(Request(**{"messages": [user("Hi")]} | fields))

    assert ErrorKind.BAD_REQUEST is caught.value.kind
    assert str(caught.value).startswith(problem)


@given(requests())
def test_any_request_is_a_body_or_a_mistake(request):
    """A valid request gives a body that the official package accepts, unless it wants stop sequences or a seed."""
    sampling = request.sampling
    if sampling.stop or sampling.seed is not None:
        with pytest.raises(ConfigError, match=r"^sampling\.(stop|seed): "):
            body_of(request)
    said = attrs.evolve(sampling, stop=(), seed=None)

    check_openai_responses(body_of(attrs.evolve(request, sampling=said)))
