"""What real clients asked can be asked with a `Request`, too."""

from __future__ import annotations

import pytest
from recorded_requests import RecordedWire
from recorded_requests_ollama import OLLAMA
from recorded_requests_openai_chat import OPENAI_CHAT


@pytest.mark.parametrize(
    ("kind", "wire", "count"),
    [("openai_chat", OPENAI_CHAT, 75), ("ollama", OLLAMA, 14)],
    ids=["openai_chat", "ollama"],
)
def test_every_recorded_request_can_be_made(kind: str, wire: RecordedWire, count: int, recordings):
    """Every recorded request reads as a `Request` that gives an equivalent body. Only what has no field is extra."""
    asked = {each.path.stem: each.manifest["request"] for each in recordings(kind) if each.manifest.get("request")}
    rebuilt = {name: wire.rebuilt(name, body) for name, body in asked.items()}

    assert {} == {name: each for name, each in rebuilt.items() if each.recorded != each.ours}
    assert set(wire.no_field) == {field for each in rebuilt.values() for field in each.extra}
    assert count <= len(asked)
    assert set(wire.odd) <= set(asked)
