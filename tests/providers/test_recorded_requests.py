"""What real clients asked can be asked with a `Request`, too."""

from __future__ import annotations

import re
from typing import Any

import pytest
from recorded_requests import Body, RecordedWire
from recorded_requests_anthropic import ANTHROPIC
from recorded_requests_gemini import GEMINI
from recorded_requests_ollama import OLLAMA
from recorded_requests_openai_chat import OPENAI_CHAT
from recorded_requests_openai_responses import RESPONSES


def body_of(manifest: dict[str, Any]) -> Body:
    """The recorded body, with the model that Google's addresses name instead."""
    body = manifest["request"]
    in_url = re.search(r"/models/([^:]+):", manifest["url_path"] or "")
    model = in_url[1] if in_url else manifest["model"]
    return body if manifest["wire"] not in ("anthropic", "gemini") else {"model": model, **body}


@pytest.mark.parametrize(
    ("kind", "wire", "count"),
    [
        ("openai_chat", OPENAI_CHAT, 75),
        ("ollama", OLLAMA, 14),
        ("anthropic", ANTHROPIC, 34),
        ("gemini", GEMINI, 34),
        ("openai_responses", RESPONSES, 40),
    ],
    ids=["openai_chat", "ollama", "anthropic", "gemini", "openai_responses"],
)
def test_every_recorded_request_can_be_made(kind: str, wire: RecordedWire, count: int, recordings):
    """Every recorded request reads as a `Request` that gives an equivalent body. Only what has no field is extra."""
    asked = {each.path.stem: body_of(each.manifest) for each in recordings(kind) if each.manifest.get("request")}
    rebuilt = {name: wire.rebuilt(name, body) for name, body in asked.items()}

    assert {} == {name: each for name, each in rebuilt.items() if each.recorded != each.ours}
    assert set(wire.no_field) == {field for each in rebuilt.values() for field in each.extra}
    assert count <= len(asked)
    assert set(wire.odd) <= set(asked)
