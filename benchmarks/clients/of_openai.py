"""OpenAI's package, over its own HTTP library or over aiohttp, which it recommends for many streams."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import openai

from benchmarks.clients import Reader, Target
from benchmarks.clients.events import PROMPT

__all__ = ["open_reader", "open_reader_on_aiohttp"]


@asynccontextmanager
async def open_reader(target: Target) -> AsyncIterator[Reader]:
    """As it comes."""
    async with openai.AsyncOpenAI(api_key="any", base_url=f"{target.url}/v1") as client:
        yield _reader(client)


@asynccontextmanager
async def open_reader_on_aiohttp(target: Target) -> AsyncIterator[Reader]:
    """With the backend of its extra `aiohttp`."""
    http = openai.DefaultAioHttpClient()
    async with openai.AsyncOpenAI(api_key="any", base_url=f"{target.url}/v1", http_client=http) as client:
        yield _reader(client)


def _reader(client: openai.AsyncOpenAI) -> Reader:
    async def read(model: str, on_text: Callable[[str], None]) -> None:
        stream = await client.chat.completions.create(
            model=model,
            messages=[{"role": "user", "content": PROMPT}],
            stream=True,
            stream_options={"include_usage": True},
        )
        async with stream:
            async for chunk in stream:
                if chunk.choices and (text := chunk.choices[0].delta.content):
                    on_text(text)

    return read
