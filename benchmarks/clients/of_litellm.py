"""litellm's `acompletion`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import litellm

from benchmarks.clients import Reader, Target
from benchmarks.clients.events import PROMPT

__all__ = ["open_reader"]


@asynccontextmanager
async def open_reader(target: Target) -> AsyncIterator[Reader]:
    """It has functions instead of a client."""

    async def read(model: str, on_text: Callable[[str], None]) -> None:
        stream = await litellm.acompletion(
            model=f"openai/{model}",
            api_base=f"{target.url}/v1",
            api_key="any",
            messages=[{"role": "user", "content": PROMPT}],
            stream=True,
            stream_options={"include_usage": True},
        )
        async for chunk in stream:
            if chunk.choices and (text := chunk.choices[0].delta.content):
                on_text(text)

    yield read
