"""A conversation that begins with one provider goes on with another, over the loopback simulator."""

from __future__ import annotations

import json

import pytest
import trio

import gestura
from gestura import Request, image, open_client, tool_result, user
from gestura.simulator import Scenario, Text, Thinking, ToolCall, open_simulator

KINDS = ("openai_chat", "grok_chat", "ollama", "openai_responses", "anthropic", "gemini")
CALLS = (ToolCall("call_1", "look_up", '{"city": "Oslo"}'), ToolCall("call_2", "look_up", '{"city": "Lima"}'))
ASKS = Scenario(model="asks", steps=(Thinking("I must look."), Text("Let me see."), *CALLS))
ANSWERS = Scenario(model="answers", steps=(Text("It rains."),))
TOOL = gestura.Tool(name="look_up", description="The weather.")
PATIENCE = 20.0


@pytest.mark.parametrize("first", KINDS)
async def test_what_one_provider_said_is_said_to_every_other(first: str):
    """Text, calls and results reach the next one, each result with its own call; only foreign thinking stays behind."""
    async with open_simulator([ASKS, ANSWERS]) as simulator:
        providers = {
            kind: gestura.ProviderSettings(kind=kind, model="any", api_key="any", base_url=simulator.url)
            for kind in KINDS
        }
        config = gestura.StreamingConfig(primary=first, providers=providers)
        with trio.fail_after(PATIENCE):
            async with open_client(config) as client:
                history = [user("Is it wet?", image(b"GIF8"))]
                asked = await client.ask(Request(messages=history, tools=(TOOL,)), model="asks")
                oslo, lima = asked.tool_calls
                history += [asked, tool_result(oslo, "7 °C"), tool_result(lima, "No.", is_error=True), user("So?")]
                for kind in KINDS:
                    request = Request(messages=history, system="Be brief.", tools=(TOOL,), reasoning="low")
                    answer = await client.ask(request, provider=kind, model="answers")

                    assert "It rains." == answer.text
        bodies = [json.dumps(seen.body, ensure_ascii=False) for seen in simulator.requests[1:]]

    assert len(KINDS) == len(bodies)
    for body in bodies:
        said = [body.index(words) for words in ("wet?", "Let me see.", "Oslo", "Lima", "7 °C", "No.", "So?")]
        assert sorted(said) == said
