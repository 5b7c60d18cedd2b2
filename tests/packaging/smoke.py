"""Run by itself in a bare environment: gestura, as it is installed there, streams from its simulator on loopback.

Imports nothing but what gestura requires, and none of it from a source tree.
"""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import requires, version
from pathlib import Path

import trio

import gestura
from gestura.simulator import open_simulator
from gestura.testing import scripted_client

REQUIRED = sorted(re.split("[<>=;! ]", each)[0] for each in requires("gestura") or () if "extra" not in each)


async def main() -> None:
    """Every wire format over every transport, and a model in memory."""
    transports = ("thread", "trio_asyncio") if sys.version_info < (3, 14) else ("thread",)
    async with open_simulator() as simulator:
        for kind in ("openai_chat", "openai_responses", "anthropic", "gemini", "ollama"):
            for transport in transports:
                settings = gestura.ProviderSettings(kind=kind, model="hello", base_url=simulator.url, api_key="key")
                config = gestura.StreamingConfig(primary="a", providers={"a": settings}, transport=transport)
                async with gestura.open_client(config) as client:
                    answer = await client.ask("Hi")
                    assert answer.text, (kind, transport)
    async with scripted_client(["Hello!"]) as client:
        assert str(await client.ask("Hi")) == "Hello!"


if __name__ == "__main__":
    assert "site-packages" in Path(gestura.__file__).parts, gestura.__file__
    trio.run(main)
    for command in (["--version"], ["providers"]):
        subprocess.run([Path(sys.executable).with_name("gestura"), *command], check=True, stdout=subprocess.DEVNULL)
    found = ", ".join(f"{name} {version(name)}" for name in REQUIRED)
    sys.stdout.write(f"Python {sys.version.split()[0]}: {found}\n")
