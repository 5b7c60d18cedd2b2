"""Anthropic: how a whole conversation is said, what goes with it, and what can't be said."""

from __future__ import annotations

import json
import re
from typing import Any

import attrs
import pytest
from hypothesis import given
from official_requests import check_anthropic
from strategies import requests

from gestura.config import ProviderSettings
from gestura.conversation import Request
from gestura.errors import ConfigError, ErrorKind
from gestura.messages import Message, Role, assistant, tool_result, user
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
from gestura.providers._anthropic_thinking import DEFAULT_MAX_TOKENS
from gestura.providers.anthropic import AnthropicMessages
from gestura.request_options import NamedTool, ResponseFormat, Sampling, Tool

OLD, BETWEEN, NEW = "claude-sonnet-4-5", "claude-sonnet-4-6", "claude-opus-5"
GIF = image(b"GIF8")
GIF_SENT = {"type": "image", "source": {"type": "base64", "media_type": "image/gif", "data": "R0lGOA=="}}
PDF = document(b"%PDF-1.7", name="report.pdf")
PDF_SENT = {
    "type": "document",
    "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0xLjc="},
    "title": "report.pdf",
}
NOTE = DocumentPart(data="Grüße".encode(), media_type="text/markdown")
NOTE_SENT = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "Grüße"}}
CALL, OTHER = ToolCall("c1", "look_up", '{"city": "Oslo"}'), ToolCall("c2", "look_up", "")
CALL_SENT = {"type": "tool_use", "id": "c1", "name": "look_up", "input": {"city": "Oslo"}}
OTHER_SENT = {"type": "tool_use", "id": "c2", "name": "look_up", "input": {}}
SEALED = ThinkingPart("Hm.", signature="c2VhbA==", sealed_by="anthropic")
SEALED_SENT = {"type": "thinking", "thinking": "Hm.", "signature": "c2VhbA=="}
HIDDEN = ThinkingPart("", signature="c2VhbA==", sealed_by="anthropic")
REDACTED = ThinkingPart("", signature="c2VhbA==", sealed_by="anthropic", redacted=True)
FOREIGN = ThinkingPart("Ah.", signature="c2VhbA==", sealed_by="gemini")
UNSEALED = ThinkingPart("Oh.")
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOL = Tool(name="look_up", parameters=SCHEMA)
TOOL_SENT = {"name": "look_up", "input_schema": SCHEMA}
SHORT, LONG = {"type": "ephemeral"}, {"type": "ephemeral", "ttl": "1h"}


def body_of(request: Request, model: str = "m", **settings: Any) -> dict[str, Any]:
    provider = AnthropicMessages(ProviderSettings(kind="anthropic", model=model, **settings))
    return json.loads(provider.ask(request).body)


def hi(**fields: Any) -> Request:
    return Request(messages=[user("Hi")], **fields)


def text(words: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": words, **more}


def said(role: str, *content: Any) -> dict[str, Any]:
    return {"role": role, "content": content[0] if isinstance(content[0], str) else list(content)}


def result(call: str, *content: Any, **more: Any) -> dict[str, Any]:
    told = {"content": content[0] if isinstance(content[0], str) else list(content)} if content else {}
    return {"type": "tool_result", "tool_use_id": call, **told, **more}


@pytest.mark.parametrize(
    ("messages", "sent"),
    [
        pytest.param(
            [user("a"), assistant("b"), user("c")],
            [said("user", "a"), said("assistant", "b"), said("user", "c")],
            id="turns",
        ),
        pytest.param([user("a"), user("b")], [said("user", text("a"), text("b"))], id="turns of one speaker"),
        pytest.param(
            [user("a", " ", GIF, TextPart("b", cache="1h"))],
            [said("user", text("a"), GIF_SENT, text("b", cache_control=LONG))],
            id="parts, a blank one among them",
        ),
        pytest.param(
            [user(image("https://example.com/a.png"), document("https://example.com/a.pdf"))],
            [
                said(
                    "user",
                    {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
                    {"type": "document", "source": {"type": "url", "url": "https://example.com/a.pdf"}},
                )
            ],
            id="addresses",
        ),
        pytest.param(
            [
                user(
                    ImagePart(url="data:image/gif;base64,R0lGOA=="), DocumentPart(url="data:text/plain,Gr%C3%BC%C3%9Fe")
                )
            ],
            [said("user", GIF_SENT, NOTE_SENT)],
            id="data: URLs",
        ),
        pytest.param([user(PDF, NOTE)], [said("user", PDF_SENT, NOTE_SENT)], id="documents"),
        pytest.param(
            [user("a"), assistant(SEALED, "b", HIDDEN, REDACTED, CALL), tool_result(CALL, "6 °C")],
            [
                said("user", "a"),
                said(
                    "assistant",
                    SEALED_SENT,
                    text("b"),
                    {"type": "thinking", "thinking": "", "signature": "c2VhbA=="},
                    {"type": "redacted_thinking", "data": "c2VhbA=="},
                    CALL_SENT,
                ),
                said("user", result("c1", "6 °C")),
            ],
            id="thinking in its places",
        ),
        pytest.param(
            [user("a"), assistant(FOREIGN, UNSEALED, "b"), user("c")],
            [said("user", "a"), said("assistant", "b"), said("user", "c")],
            id="thinking under no seal of Anthropic's",
        ),
        pytest.param(
            [user("a"), assistant(FOREIGN), assistant(), user("b")],
            [said("user", text("a"), text("b"))],
            id="a turn in which nothing is left",
        ),
        pytest.param(
            [user("a"), assistant(CALL, OTHER), user("look", ToolResult("c1", ())), tool_result(OTHER, "?", GIF)],
            [
                said("user", "a"),
                said("assistant", CALL_SENT, OTHER_SENT),
                said("user", result("c1"), result("c2", text("?"), GIF_SENT), text("look")),
            ],
            id="results come first",
        ),
        pytest.param(
            [
                user("a"),
                assistant(CALL),
                Message(Role.USER, [ToolResult("c1", (TextPart("no"),), is_error=True, cache="5m")]),
            ],
            [
                said("user", "a"),
                said("assistant", CALL_SENT),
                said("user", result("c1", "no", is_error=True, cache_control=SHORT)),
            ],
            id="a tool that failed",
        ),
        pytest.param(
            [user("a"), assistant(ToolCall("c1", "look_up", '{"city": ')), tool_result(CALL)],
            [
                said("user", "a"),
                said("assistant", CALL_SENT | {"input": {"unreadable_arguments": '{"city": '}}),
                said("user", result("c1")),
            ],
            id="arguments that are none",
        ),
        pytest.param(
            [user("a"), assistant(RefusalPart("No.")), user("b")],
            [said("user", "a"), said("assistant", "No."), said("user", "b")],
            id="a refusal",
        ),
    ],
)
def test_a_conversation_is_said_in_anthropics_terms(messages, sent):
    """Turns alternate; what is in them keeps its order, but for results, which come first, and what is not sent."""
    body = body_of(Request(messages=messages))

    assert sent == body["messages"]
    check_anthropic(body)


def test_ids_of_calls_are_made_to_fit_and_told_apart():
    """An id with other letters, or one that was used before, is sent as another, the same for call and result."""
    strange, made_up = ToolCall("call:1", "f", "{}"), ToolCall("call_0", "f", "{}")
    turns = [user("a"), assistant(strange, made_up), tool_result(strange, "1"), tool_result(made_up, "2")]
    body = body_of(Request(messages=[*turns, assistant(made_up), tool_result(made_up, "3")]))
    blocks = [block for message in body["messages"] for block in message["content"] if isinstance(block, dict)]
    calls = [block["id"] for block in blocks if block["type"] == "tool_use"]

    assert calls == [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
    assert ("call_0", 3) == (calls[1], len(set(calls)))
    assert all(call.replace("_", "").isalnum() for call in calls)
    assert body["messages"][:3] == body_of(Request(messages=turns))["messages"]


@pytest.mark.parametrize(
    ("fields", "sent"),
    [
        ({"system": "s"}, {"system": "s"}),
        (
            {"system": [TextPart("s"), TextPart("t", cache="5m")]},
            {"system": [text("s"), text("t", cache_control=SHORT)]},
        ),
        ({"system": [TextPart(" ")]}, {}),
        ({"tools": [TOOL]}, {"tools": [TOOL_SENT]}),
        (
            {"tools": [attrs.evolve(TOOL, description="Looks up.", strict=True, cache="1h")]},
            {"tools": [TOOL_SENT | {"description": "Looks up.", "strict": True, "cache_control": LONG}]},
        ),
        ({"tools": [TOOL], "tool_choice": "auto"}, {"tools": [TOOL_SENT], "tool_choice": {"type": "auto"}}),
        ({"tools": [TOOL], "tool_choice": "required"}, {"tools": [TOOL_SENT], "tool_choice": {"type": "any"}}),
        ({"tools": [TOOL], "tool_choice": "none"}, {"tools": [TOOL_SENT], "tool_choice": {"type": "none"}}),
        (
            {"tools": [TOOL], "tool_choice": NamedTool("look_up")},
            {"tools": [TOOL_SENT], "tool_choice": {"type": "tool", "name": "look_up"}},
        ),
        ({"tool_choice": "none"}, {}),
        (
            {"response_format": ResponseFormat(name="place", schema=SCHEMA)},
            {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
        ),
        (
            {
                "response_format": ResponseFormat(name="place", schema=SCHEMA, description="A place."),
                "reasoning": "low",
            },
            {
                "max_tokens": DEFAULT_MAX_TOKENS + 1024,
                "thinking": {"type": "adaptive", "display": "summarized"},
                "output_config": {
                    "effort": "low",
                    "format": {"type": "json_schema", "schema": {"description": "A place.", **SCHEMA}},
                },
            },
        ),
        ({"extra": {"metadata": {"user_id": "u"}}}, {"metadata": {"user_id": "u"}}),
        (
            {"extra": {"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tool_choice": "none"},
            {"tools": [{"type": "web_search_20250305", "name": "web_search"}], "tool_choice": {"type": "none"}},
        ),
    ],
)
def test_what_is_asked_for_has_its_field(fields, sent):
    """System instructions, tools, the choice among them and the shape of the answer; what is left open is left out."""
    body = body_of(hi(**fields))
    bare = {"model": "m", "max_tokens": DEFAULT_MAX_TOKENS, "messages": [said("user", "Hi")], "stream": True}

    assert bare | sent == body
    check_anthropic(body)


ADAPTIVE = {"type": "adaptive", "display": "summarized"}


@pytest.mark.parametrize(
    ("model", "reasoning", "thinking", "effort"),
    [
        (OLD, "low", {"type": "enabled", "budget_tokens": 1024}, None),
        (OLD, "medium", {"type": "enabled", "budget_tokens": 8192}, None),
        (OLD, "high", {"type": "enabled", "budget_tokens": 24_576}, None),
        (OLD, 2000, {"type": "enabled", "budget_tokens": 2000}, None),
        (OLD, "off", {"type": "disabled"}, None),
        (OLD, None, None, None),
        ("claude-3-7-sonnet-20250219", "low", {"type": "enabled", "budget_tokens": 1024}, None),
        ("claude-opus-4-20250514", "low", {"type": "enabled", "budget_tokens": 1024}, None),
        (BETWEEN, "medium", ADAPTIVE, "medium"),
        (BETWEEN, 2000, {"type": "enabled", "budget_tokens": 2000}, None),
        (NEW, "high", ADAPTIVE, "high"),
        (NEW, 2000, ADAPTIVE, "low"),
        (NEW, 10_000, ADAPTIVE, "medium"),
        (NEW, "off", {"type": "disabled"}, None),
        ("claude-fable-5-1", "high", ADAPTIVE, "high"),
        ("a-deployment", "low", ADAPTIVE, "low"),
        ("a-deployment", 2000, {"type": "enabled", "budget_tokens": 2000}, None),
    ],
)
def test_reasoning_is_asked_for_in_the_terms_of_the_model(model, reasoning, thinking, effort):
    """Models up to 4.5 take a budget, newer ones an effort, each translated into the other."""
    body = body_of(hi(reasoning=reasoning), model)

    assert (thinking, effort) == (body.get("thinking"), body.get("output_config", {}).get("effort"))
    check_anthropic(body)


@pytest.mark.parametrize(
    ("reasoning", "asked_for", "sent"),
    [
        (None, None, DEFAULT_MAX_TOKENS),
        (None, 5, 5),
        (1024, None, DEFAULT_MAX_TOKENS + 1024),
        (50_000, None, DEFAULT_MAX_TOKENS + 50_000),
        (2048, 10_000, 10_000),
        (2048, 2049, 2049),
        (2048, 2048, 4096),
        (2048, 5, 2053),
        ("high", None, DEFAULT_MAX_TOKENS + 24_576),
        ("high", 5, 5),
        ("off", 5, 5),
    ],
)
def test_the_limit_of_output_leaves_room_for_thinking(reasoning, asked_for, sent):
    """Thinking counts towards `max_tokens`: the default has room for it, and a limit is raised that a budget fills."""
    assert sent == body_of(hi(sampling=Sampling(max_output_tokens=asked_for), reasoning=reasoning))["max_tokens"]


def test_the_settings_budget_stands_in_for_a_request_that_says_nothing():
    """What the request says goes before what the settings say."""
    budget = {"type": "enabled", "budget_tokens": 2048}

    assert budget == body_of(hi(), thinking_budget_tokens=2048)["thinking"]
    assert {"type": "disabled"} == body_of(hi(reasoning="off"), thinking_budget_tokens=2048)["thinking"]


def test_a_budget_of_the_settings_below_the_least_is_refused_at_once():
    """The least budget that Anthropic admits is 1024 tokens."""
    with pytest.raises(ValueError, match="thinking_budget_tokens"):
        ProviderSettings(kind="anthropic", model="m", thinking_budget_tokens=1023)


def test_sampling_that_goes_with_reasoning_is_sent():
    """A temperature of 1 and a `top_p` from 0.95 are sent along."""
    body = body_of(hi(sampling=Sampling(temperature=1.0, top_p=0.95), reasoning="low"))

    assert (1.0, 0.95) == (body["temperature"], body["top_p"])


def cached(count: int, *more: Any) -> dict[str, Any]:
    return {"messages": [user(*(TextPart(str(number), cache="5m") for number in range(count)), *more)]}


FAILED = [user("a"), assistant(CALL), tool_result(CALL, GIF, is_error=True)]


@pytest.mark.parametrize(
    ("fields", "model", "problem"),
    [
        ({"sampling": Sampling(seed=0)}, "m", "sampling.seed: Anthropic has no seed"),
        ({"sampling": Sampling(temperature=1.5)}, "m", "sampling.temperature: Anthropic admits none above 1"),
        ({"sampling": Sampling(temperature=0.0), "reasoning": "low"}, "m", "sampling.temperature: with reasoning"),
        ({"sampling": Sampling(top_p=0.9), "reasoning": 2000}, "m", "sampling.top_p: with reasoning"),
        ({"reasoning": 1023}, "m", "reasoning: Anthropic admits no budget below 1024"),
        ({"reasoning": "off"}, "claude-fable-5-1", "reasoning: claude-fable-5-1 can't be kept from thinking"),
        ({"reasoning": "off"}, "claude-mythos-preview", "reasoning: claude-mythos-preview can't be kept"),
        ({"tools": [TOOL], "tool_choice": "required", "reasoning": "low"}, "m", "tool_choice: with reasoning"),
        ({"tools": [TOOL], "tool_choice": NamedTool("look_up"), "reasoning": 2000}, "m", "tool_choice: with reasoning"),
        (cached(5), "m", "messages[0].parts[4].cache: Anthropic takes 4 cache hints"),
        (cached(1, TextPart("b", cache="1h")), "m", "messages[0].parts[1].cache: Anthropic wants those of '1h'"),
        (
            cached(1) | {"tools": [attrs.evolve(TOOL, cache="5m")], "system": [TextPart("s", cache="1h")]},
            "m",
            "system[0]",
        ),
        (cached(0, TextPart(" ", cache="1h")), "m", "messages[0].parts[0].cache: Anthropic can't cache"),
        ({"messages": [user(" ", "")]}, "m", "messages[0].parts[0]: Anthropic refuses"),
        (
            {"messages": [user("a", ImagePart(data=b"BM", media_type="image/bmp"))]},
            "m",
            "messages[0].parts[1].image.media_type: Anthropic takes image/jpeg",
        ),
        (
            {"messages": [user(ImagePart(url="gs://bucket/a.png"))]},
            "m",
            "messages[0].parts[0].image.url: Anthropic fetches from https://",
        ),
        (
            {"messages": [user(ImagePart(url="data:image/png;base64,?"))]},
            "m",
            "messages[0].parts[0].image.url: no valid data: URL",
        ),
        (
            {"messages": [user(DocumentPart(data=b"PK", media_type="application/zip"))]},
            "m",
            "messages[0].parts[0].document.media_type: Anthropic takes PDFs and text",
        ),
        (
            {"messages": [user(DocumentPart(data=b"\xff", media_type="text/plain"))]},
            "m",
            "messages[0].parts[0].document.data: Anthropic takes text in UTF-8; the byte at 0 is none",
        ),
        (
            {"messages": [user(DocumentPart(url="https://example.com/a.txt", media_type="text/plain"))]},
            "m",
            "messages[0].parts[0].document.url: Anthropic fetches nothing but PDFs",
        ),
        ({"messages": FAILED}, "m", "messages[2].parts[0].content[0]: Anthropic takes nothing but text"),
    ],
)
def test_what_anthropic_has_no_terms_for_is_refused(fields, model, problem):
    """The error names the path, before anything is sent."""
    with pytest.raises(ConfigError) as caught:
        body_of(Request(**{"messages": [user("Hi")]} | fields), model)

    assert ErrorKind.BAD_REQUEST is caught.value.kind
    assert str(caught.value).startswith(problem)


REASONS = (
    r"sampling\.(seed|temperature|top_p): ",
    r"tool_choice: with reasoning",
    r"reasoning: Anthropic admits no budget",
    r"[\w\[\].]+\.cache: Anthropic ",
    r"messages\[\d+\]\.parts\[0\]: Anthropic refuses",
    r"messages\[\d+\]\.parts\[\d+\]\.(document\.data|content\[\d\]): Anthropic takes ",
)


@given(requests())
def test_any_request_is_a_body_or_a_mistake(request):
    """A valid request gives a body that the official package accepts, or a `ConfigError` for one of few reasons."""
    mistake = ""
    try:
        check_anthropic(body_of(request))
    except ConfigError as error:
        mistake = str(error)

    assert not mistake or re.match("|".join(REASONS), mistake)


def no_hint(part: Any) -> Any:
    """A part that Anthropic can say, without a hint to cache it."""
    match part:
        case DocumentPart(data=bytes(), media_type="text/plain"):
            return NOTE
        case ToolResult():
            content = tuple(
                no_hint(piece) for piece in part.content if not part.is_error or isinstance(piece, TextPart)
            )
            return attrs.evolve(part, content=content, cache=None)
        case TextPart() | RefusalPart():
            return type(part)("x" + part.text)
        case _:
            return attrs.evolve(part, cache=None) if hasattr(part, "cache") else part


@given(requests())
def test_any_conversation_is_a_body(request):
    """A request without what Anthropic refuses is never a mistake, whatever the conversation in it."""
    messages = [attrs.evolve(each, parts=[no_hint(part) for part in each.parts]) for each in request.messages]
    tools = [attrs.evolve(tool, cache=None) for tool in request.tools]
    system = [no_hint(part) for part in request.system]
    bare = {"sampling": Sampling(), "reasoning": None}

    check_anthropic(body_of(attrs.evolve(request, messages=messages, tools=tools, system=system, **bare)))
