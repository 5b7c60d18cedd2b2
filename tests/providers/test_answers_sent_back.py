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

import anthropic
import httpx
import httpx2
import openai
import pytest

from gestura.answer import Answer, collect
from gestura.chunks import Done
from gestura.config import ProviderSettings
from gestura.conversation import Request
from gestura.messages import assistant, tool_result, user
from gestura.providers import BUILTIN_PROVIDERS
from gestura.testing.replay import replay

Step = tuple[Any, ...]


def answer_of(recording: Any) -> Answer:
    """What a recorded body says; skips where it says no whole answer."""
    settings = ProviderSettings(kind=recording.wire, model="m")
    chunks = list(replay([recording.read()], BUILTIN_PROVIDERS[recording.wire](settings)))
    return collect(chunks) if isinstance(chunks[-1], Done) else pytest.skip("no whole answer")


def sent_back(wire: str, answer: Answer) -> dict[str, Any]:
    """The body of the next request. The texts around it keep the turn apart, as does a result for each call."""
    results = [tool_result(call, "Done.") for call in answer.tool_calls]
    request = Request(messages=[user("Hi"), assistant("so"), user("Go on."), answer, *results, user("And?")])
    return json.loads(BUILTIN_PROVIDERS[wire](ProviderSettings(kind=wire, model="gemini-2.5-flash")).ask(request).body)


def merged(steps: Iterable[Step]) -> list[Step]:
    """Adjacent texts, and adjacent thoughts, as one; blank ones are none."""
    out: list[Step] = []
    for kind, *rest in steps:
        if kind in ("text", "thought") and out and out[-1][0] == kind and len(out[-1]) == 2:
            out[-1] = (kind, out[-1][1] + rest[0], *rest[1:])
        else:
            out.append((kind, *rest))
    return [step for step in out if step[0] != "text" or step[1].strip()]


def over_http(http: Any, wire: bytes) -> Any:
    """A client of the HTTP library `http`, answered with these bytes whatever it asks."""
    headers = {"Content-Type": "text/event-stream"}
    answer = http.Response(200, content=wire, headers=headers)
    return http.Client(transport=http.MockTransport(lambda _: answer))


# Anthropic.


def anthropic_steps(blocks: Iterable[dict[str, Any]]) -> list[Step]:
    return merged(
        {
            "text": lambda block: ("text", block["text"]),
            "thinking": lambda block: ("thinking", block["thinking"], block["signature"]),
            "redacted_thinking": lambda block: ("redacted", block["data"]),
            "tool_use": lambda block: ("call", block["id"], block["name"], block["input"]),
        }[block["type"]](block)
        for block in blocks
        if block["type"] in ("text", "redacted_thinking", "tool_use") or block.get("signature")
    )


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
    with (
        over_http(httpx2, recording.read()) as http,
        anthropic.Anthropic(api_key="none", http_client=http) as client,
        client.beta.messages.stream(model="m", max_tokens=9, messages=[]) as stream,
    ):
        message = stream.get_final_message().to_dict()
    content = sent_back("anthropic", answer)["messages"][3]["content"]
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content

    assert anthropic_steps(message["content"]) == anthropic_steps(blocks)


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
    with over_http(httpx, recording.read()) as http, openai.OpenAI(api_key="none", http_client=http) as client:
        events = list(client.responses.create(model="m", input="Hi", stream=True))
    items = [event.item.to_dict(warnings=False) for event in events if event.type == "response.output_item.done"]
    if not items:
        pytest.skip("the recording has no whole item")
    sent = sent_back("openai_responses", answer)["input"]
    place = sent.index({"role": "user", "content": "Go on."})

    assert responses_steps(items) == responses_steps(
        item for item in sent[place + 1 :] if "role" not in item or item["role"] == "assistant"
    )


# Gemini.


def gemini_steps(parts: Iterable[dict[str, Any]]) -> list[Step]:
    steps: list[Step] = []
    for part in parts:
        seal = part.get("thoughtSignature")
        match part:
            case {"functionCall": call}:
                steps.append(("call", call["name"], call.get("args") or {}, seal))
            case {"text": text, "thought": True}:
                steps.append(("thought", text, *((seal,) if seal else ())))
            case {"text": text}:
                steps += [("text", text)] * bool(text) + [("seal", seal)] * bool(seal)
            case _ if seal:
                steps.append(("seal", seal))
    return [step for step in merged(steps) if step[0] != "thought" or len(step) == 3]


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
