"""An answer that is appended to the history goes back to its provider as the provider itself wrote it.

Recorded answers are read twice: by us, whose `collect` makes the message of the next request, and by the official
package (Gemini's parts are as good as they come), whose content is what the provider wants to see again. What is
compared is a list of steps: texts, thinking under its seal, and calls. Texts with nothing between them are one. What
was done on the provider's side (searches, code that ran) is no part of an answer here, nor is what is not under a seal,
or blank.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import httpx
import httpx2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gestura.answer import Answer, collect
from gestura.chunks import Done
from gestura.config import ProviderSettings
from gestura.conversation import Request
from gestura.messages import assistant, tool_result, user
from gestura.providers import BUILTIN_PROVIDERS
from gestura.testing.replay import replay

Step = tuple[Any, ...]


def read(wire: str, body: bytes) -> Answer:
    """What an answer on the wire says; skips where it is not whole."""
    chunks = list(replay([body], BUILTIN_PROVIDERS[wire](ProviderSettings(kind=wire, model="m"))))
    return collect(chunks) if isinstance(chunks[-1], Done) else pytest.skip("no whole answer")


def answer_of(recording: Any) -> Answer:
    """What a recorded body says."""
    return read(recording.wire, recording.read())


def sse(*events: Any) -> bytes:
    return b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)


def sent_back(wire: str, answer: Answer) -> dict[str, Any]:
    """The body of the next request. The texts around it keep the turn apart, as does a result for each call."""
    results = [tool_result(call, "Done.") for call in answer.tool_calls]
    request = Request(messages=[user("Hi"), assistant("so"), user("Go on."), answer, *results, user("And?")])
    return json.loads(BUILTIN_PROVIDERS[wire](ProviderSettings(kind=wire, model="gemini-2.5-flash")).ask(request).body)


def merged(steps: Iterable[Step]) -> list[Step]:
    """Adjacent texts, and adjacent thoughts, as one."""
    out: list[Step] = []
    for kind, *rest in steps:
        if kind in ("text", "thought") and out and out[-1][0] == kind and len(out[-1]) == 2:
            out[-1] = (kind, out[-1][1] + rest[0], *rest[1:])
        else:
            out.append((kind, *rest))
    return out


def over_http(http: Any, wire: bytes) -> Any:
    """A client of the HTTP library `http`, answered with these bytes whatever it asks."""
    headers = {"Content-Type": "text/event-stream"}
    answer = http.Response(200, content=wire, headers=headers)
    return http.Client(transport=http.MockTransport(lambda _: answer))


words = st.text("ab é\n", min_size=1, max_size=6)
seals = st.sampled_from(["c2VhbA==", "YW5vdGhlcg=="])
ids = st.uuids().map(str)
arguments = st.dictionaries(words, st.integers() | words, max_size=2)


# Anthropic.


def anthropic_steps(blocks: Iterable[dict[str, Any]]) -> list[Step]:
    steps = merged(
        {
            "text": lambda block: ("text", block["text"]),
            "thinking": lambda block: ("thinking", block["thinking"], block["signature"]),
            "redacted_thinking": lambda block: ("redacted", block["data"]),
            "tool_use": lambda block: ("call", block["id"], block["name"], block["input"]),
        }[block["type"]](block)
        for block in blocks
        if block["type"] in ("text", "redacted_thinking", "tool_use") or block.get("signature")
    )
    return [step for step in steps if step[0] != "text" or step[1].strip()]


SEVERAL_ANSWERS = {
    "anthropic-claude-sonnet-4-5-20250929-ptools-tool-1",
    "anthropic-claude-sonnet-4-5-20250929-tool-text-4",
}
"""Logs of several answers, of which the package adds the others to the first."""


@pytest.mark.recordings("anthropic")
def test_an_answer_of_anthropics_goes_back_as_it_came(recording):
    """Text, thinking with its seal, hidden thinking and calls, in the order of the content blocks."""
    answer = answer_of(recording)
    if answer.refusal or recording.path.stem in SEVERAL_ANSWERS:
        pytest.skip("words of refusal are no content, or it is a log of several answers")
    import anthropic

    with (
        over_http(httpx2, recording.read()) as http,
        anthropic.Anthropic(api_key="none", http_client=http) as client,
        client.beta.messages.stream(model="m", max_tokens=9, messages=[]) as stream,
    ):
        message = stream.get_final_message().to_dict()
    content = sent_back("anthropic", answer)["messages"][3]["content"]
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content

    assert anthropic_steps(message["content"]) == anthropic_steps(blocks)


blocks = st.one_of(
    st.fixed_dictionaries({"type": st.just("text"), "text": words}),
    st.fixed_dictionaries({"type": st.just("thinking"), "thinking": words | st.just(""), "signature": seals}),
    st.fixed_dictionaries({"type": st.just("redacted_thinking"), "data": seals}),
    st.fixed_dictionaries({"type": st.just("tool_use"), "id": ids, "name": st.just("f"), "input": arguments}),
)


@given(st.lists(blocks, max_size=6))
@example(
    [{"type": "thinking", "thinking": "", "signature": "x"}, {"type": "thinking", "thinking": "", "signature": "y"}]
)
def test_any_blocks_of_anthropics_go_back_as_they_came(blocks):
    """Thinking between texts and calls, hidden and redacted thinking, blocks one after another of the same kind."""
    events: list[Any] = []
    for index, block in enumerate(blocks):
        match block:
            case {"type": "text", "text": text}:
                start, deltas = {"type": "text", "text": ""}, [{"type": "text_delta", "text": text}]
            case {"type": "thinking", "thinking": text, "signature": seal}:
                start = {"type": "thinking", "thinking": "", "signature": ""}
                deltas = [{"type": "thinking_delta", "thinking": text}, {"type": "signature_delta", "signature": seal}]
            case {"type": "tool_use", "input": given_input}:
                start = block | {"input": {}}
                deltas = [{"type": "input_json_delta", "partial_json": json.dumps(given_input)}]
            case _:
                start, deltas = block, []
        events.append({"type": "content_block_start", "index": index, "content_block": start})
        events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": index})
    stop = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}
    messages = sent_back("anthropic", read("anthropic", sse(*events, stop, {"type": "message_stop"})))["messages"]
    content = messages[3]["content"] if len(messages) > 4 else []
    sent = [{"type": "text", "text": content}] if isinstance(content, str) else content

    assert anthropic_steps(blocks) == anthropic_steps(sent)


# Responses.


def responses_steps(items: Iterable[dict[str, Any]]) -> list[Step]:
    steps: list[Step] = []
    for item in items:
        match item:
            case {"type": "message", "content": str(text)}:
                steps.append(("text", text))
            case {"type": "message", "content": [*content]}:
                steps += [("text", part.get("text") or part.get("refusal")) for part in content]
            case {"type": "reasoning", "encrypted_content": str(seal)} if seal:
                steps.append(("reasoning", item["summary"], seal))
            case {"type": "reasoning", "content": [*content]} if content:
                steps.append(("reasoning", item["summary"], content))
            case {"type": "function_call"}:
                steps.append(("call", item["call_id"], item["name"], item["arguments"]))
    return merged(steps)


CUT = {"openai-gpt-5.2-2025-12-11-text-4", "openai-gpt-5.3-codex-text-1"}
"""Recordings from which pieces were cut, while the whole was left in: a mistake of those who made them."""


@pytest.mark.recordings("openai_responses")
def test_an_answer_over_responses_goes_back_as_it_came(recording):
    """Messages, sealed reasoning and function calls, in the order of the items that the events told as a whole."""
    answer = answer_of(recording)
    if not answer.parts or recording.path.stem in CUT:
        pytest.skip("the model said nothing, or pieces of what it said are missing")
    import openai

    with over_http(httpx, recording.read()) as http, openai.OpenAI(api_key="none", http_client=http) as client:
        events = list(client.responses.create(model="m", input="Hi", stream=True))
    items = [event.item.to_dict(warnings=False) for event in events if event.type == "response.output_item.done"]
    if not items:
        pytest.skip("the recording has no whole item")
    sent = sent_back("openai_responses", answer)["input"]
    place = sent.index({"role": "user", "content": "Go on."})

    assert responses_steps(items) == responses_steps(item for item in sent[place + 1 :] if item.get("role") != "user")


items = st.one_of(
    words.map(lambda text: {"type": "message", "content": [{"type": "output_text", "text": text}]}),
    st.builds(
        lambda item_id, summary, seal: {
            "type": "reasoning",
            "id": item_id,
            "summary": [{"type": "summary_text", "text": text} for text in summary],
            "encrypted_content": seal,
        },
        ids,
        st.lists(words, max_size=2),
        seals,
    ),
    st.builds(
        lambda item_id, text: {
            "type": "reasoning",
            "id": item_id,
            "summary": [],
            "content": [{"type": "reasoning_text", "text": text}],
        },
        ids,
        words,
    ),
    st.builds(
        lambda call, given: {"type": "function_call", "call_id": call, "name": "f", "arguments": json.dumps(given)},
        ids,
        arguments,
    ),
)


@given(st.lists(items, max_size=6))
def test_any_items_of_responses_go_back_as_they_came(items):
    """Reasoning between messages and calls, sealed or in words, items one after another of the same kind."""
    told = [
        {"type": "response.output_item.done", "output_index": index, "item": item} for index, item in enumerate(items)
    ]
    body = sse(*told, {"type": "response.completed", "response": {"output": items}})
    sent = sent_back("openai_responses", read("openai_responses", body))["input"]
    place = sent.index({"role": "user", "content": "Go on."})

    assert responses_steps(items) == responses_steps(item for item in sent[place + 1 :] if item.get("role") != "user")


# Gemini.


def gemini_steps(parts: Iterable[dict[str, Any]]) -> list[Step]:
    """A seal on an empty text right behind a thought counts as the thought's."""
    steps: list[Step] = []
    for part in parts:
        seal = part.get("thoughtSignature")
        match part:
            case {"functionCall": call}:
                steps.append(("call", call["name"], call.get("args") or {}, seal))
            case {"text": text, "thought": True}:
                steps.append(("thought", text))
            case {"text": text} if text:
                steps.append(("text", text))
        if seal and "functionCall" not in part:
            steps = merged(steps)
            is_a_thoughts = steps and steps[-1][0] == "thought" and len(steps[-1]) == 2
            steps.append((*steps.pop(), seal) if is_a_thoughts else ("seal", seal))
    return merged(step for step in merged(steps) if step[0] != "thought" or len(step) == 3)


@pytest.mark.recordings("gemini")
def test_an_answer_of_geminis_goes_back_as_it_came(recording):
    """Text, seals behind what they seal, and calls with theirs, in the order of the parts of all events."""
    answer = answer_of(recording)
    if not answer.parts:
        pytest.skip("the model said nothing")
    lines = recording.read().decode().splitlines()
    events = [json.loads(line.removeprefix("data:")) for line in lines if line.startswith("data:")]
    contents = [candidate.get("content", {}) for event in events for candidate in event.get("candidates", ())[:1]]
    sent = sent_back("gemini", answer)["contents"][3]["parts"]

    assert gemini_steps(part for content in contents for part in content.get("parts", ())) == gemini_steps(sent)


parts = st.one_of(
    st.fixed_dictionaries({"text": words}, optional={"thoughtSignature": seals}),
    st.fixed_dictionaries({"text": st.just(""), "thoughtSignature": seals}),
    st.fixed_dictionaries({"text": words, "thought": st.just(True)}, optional={"thoughtSignature": seals}),
    st.fixed_dictionaries(
        {"functionCall": st.fixed_dictionaries({"name": st.just("f"), "args": arguments})},
        optional={"thoughtSignature": seals},
    ),
)


@given(st.lists(parts, max_size=6))
def test_any_parts_of_geminis_go_back_as_they_came(parts):
    """Seals on texts, on thoughts, on calls and on nothing; parts one after another of the same kind."""
    events = [{"candidates": [{"content": {"role": "model", "parts": [part]}}]} for part in parts]
    body = sse(*events, {"candidates": [{"content": {}, "finishReason": "STOP"}]})
    contents = sent_back("gemini", read("gemini", body))["contents"]
    sent = contents[3]["parts"] if len(contents) > 4 else []

    assert gemini_steps(parts) == gemini_steps(sent)
