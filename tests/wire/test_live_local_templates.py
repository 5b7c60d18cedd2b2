"""The local model made to think and to call a tool, by a chat template of our own in place of its own.

llama.cpp learns how to read answers from how a template writes them down. From this one it learns that reasoning is
between `<think>` tags, and that an answer is `<prose>` or a `<call>`. Where a call is required, its grammar then admits
nothing else, and `<prose>` is a tag that the prompt never shows. Where answers are to be plain text, the template goes
without that tag.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from live_peers import local_model, open_client, provider_of, read

import gestura
from gestura.local import LocalModel

CALLING = """
{%- for message in messages -%}
<|im_start|>{{ message.role }}
{% if message.reasoning_content -%}<think>{{ message.reasoning_content }}</think>{%- endif -%}
{%- if message.role != "assistant" -%}{{ message.content }}
{%- elif message.content -%}<prose>{{ message.content }}</prose>{%- endif -%}
{%- if message.tool_calls -%}{%- set call = message.tool_calls[0].function -%}
<call>[{{ {"name": call.name, "arguments": call.arguments} | tojson }}]</call>
{%- endif -%}
<|im_end|>
{% endfor -%}
{%- if tools -%}<|im_start|>system
Answer with a <call> of one of {{ tools | tojson }}<|im_end|>
{% endif -%}
{%- if add_generation_prompt -%}<|im_start|>assistant
{% if enable_thinking -%}<think>{%- endif -%}{%- endif -%}
"""
THINKING = CALLING.replace("<prose>", "").replace("</prose>", "")

BUDGET = 12  # tokens of thinking, after which llama.cpp closes the tag, as so small a model might never do
THINK_SHORTLY = {
    "openai_chat": {"reasoning_budget_tokens": BUDGET},
    "openai_responses": {"reasoning_budget_tokens": BUDGET},
    "anthropic": {"thinking": {"type": "enabled", "budget_tokens": BUDGET}},
}
MUST_CALL = {
    "openai_chat": {"tool_choice": "required"},
    "openai_responses": {"tool_choice": "required"},
    "anthropic": {"tool_choice": {"type": "any"}},
}
CITIES = ["Paris", "Rome"]
TOOL = gestura.Tool(
    name="get_weather",
    description="The weather of a city in the next days.",
    parameters={
        "type": "object",
        "properties": {
            "city": {"type": "string", "enum": CITIES},
            "days": {"type": "integer", "minimum": 1, "maximum": 7},
        },
        "required": ["city", "days"],
    },
)

in_each_wire_format = pytest.mark.parametrize("kind", THINK_SHORTLY)


@pytest.fixture(scope="module")
def thinker() -> Iterator[LocalModel]:
    with local_model(THINKING) as model:
        yield model


@pytest.fixture(scope="module")
def caller() -> Iterator[LocalModel]:
    with local_model(CALLING) as model:
        yield model


def ask(prompt: str, *tools: gestura.Tool, max_output_tokens: int, **extra: Any) -> gestura.Request:
    sampling = gestura.Sampling(temperature=0.0, max_output_tokens=max_output_tokens)
    return gestura.Request(messages=(gestura.user(prompt),), tools=tools, sampling=sampling, extra=extra)


async def read_unsealed(client: gestura.Client, request: gestura.Request) -> list[gestura.StreamChunk]:
    """All chunks but the seals on thinking, which one of the wire formats has."""
    return [chunk for chunk in await read(client, request) if not isinstance(chunk, gestura.Signature)]


@in_each_wire_format
async def test_thinking_comes_before_text(thinker: LocalModel, kind: str) -> None:
    """Thinking comes in pieces, as much as its budget allows; then the answer, and nothing of the tags between them."""
    request = ask("Why is the sky blue?", max_output_tokens=40, ignore_eos=True, **THINK_SHORTLY[kind])
    async with open_client(provider_of(thinker, kind)) as client:
        *pieces, done = await read_unsealed(client, request)

    kinds = [type(piece) for piece in pieces]
    thoughts = kinds.count(gestura.Thinking)
    assert 1 < thoughts <= BUDGET
    assert kinds[:thoughts] == [gestura.Thinking] * thoughts
    # With Messages the server does not know `ignore_eos`, and the model might have no more to say.
    assert set(kinds[thoughts:]) in ([{gestura.Text}, set()] if kind == "anthropic" else [{gestura.Text}])
    assert not any(tag in "".join(piece.text for piece in pieces) for tag in ("<think>", "</think>"))
    assert isinstance(done, gestura.Done), done


@in_each_wire_format
async def test_a_tool_call_comes_after_thinking(caller: LocalModel, kind: str) -> None:
    """The call comes in pieces of JSON that fit the tool's schema, between its start and its end."""
    request = ask("How is the weather?", TOOL, max_output_tokens=120, **THINK_SHORTLY[kind], **MUST_CALL[kind])
    async with open_client(provider_of(caller, kind)) as client:
        chunks = await read_unsealed(client, request)

    thoughts = [chunk for chunk in chunks if isinstance(chunk, gestura.Thinking)]
    start, *pieces, end, done = chunks[len(thoughts) :]
    assert 1 < len(thoughts) <= BUDGET
    assert isinstance(start, gestura.ToolCallStart), start
    assert {gestura.ToolCallArgs} == {type(piece) for piece in pieces}
    assert len(pieces) > 1
    assert {start.id} == {piece.id for piece in pieces} | {end.id}
    assert TOOL.name == start.name
    arguments = json.loads("".join(piece.fragment for piece in pieces))
    assert ["city", "days"] == sorted(arguments)
    assert arguments["city"] in CITIES
    assert arguments["days"] in range(1, 8)
    assert isinstance(end, gestura.ToolCallEnd), end
    assert isinstance(done, gestura.Done), done
    assert gestura.FinishReason.TOOL_CALLS is done.finish_reason
