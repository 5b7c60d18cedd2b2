"""Anthropic's package: `create(stream=True)`, its cheaper way, which gives the events as they are."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anthropic

from benchmarks.clients import Reader, Target
from benchmarks.clients.events import PROMPT

__all__ = ["open_reader"]


@asynccontextmanager
async def open_reader(target: Target) -> AsyncIterator[Reader]:
    """As it comes."""
    async with anthropic.AsyncAnthropic(api_key="any", base_url=target.url) as client:

        async def read(model: str, on_text: Callable[[str], None]) -> None:
            stream = await client.messages.create(
                model=model, max_tokens=1024, messages=[{"role": "user", "content": PROMPT}], stream=True
            )
            async with stream:
                async for event in stream:
                    if event.type == "content_block_delta" and event.delta.type == "text_delta":
                        on_text(event.delta.text)

        yield read
