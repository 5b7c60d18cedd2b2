"""httpx with httpx-sse, and `json`: what many applications write by themselves."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
from httpx_sse import aconnect_sse

from benchmarks.clients import Reader, Target
from benchmarks.clients.events import PATHS, request_body, text_of

__all__ = ["open_reader"]


@asynccontextmanager
async def open_reader(target: Target) -> AsyncIterator[Reader]:
    """One client without a limit of connections, and without deadlines."""
    url = target.url + PATHS[target.wire]
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(timeout=None, limits=limits) as client:  # noqa: S113

        async def read(model: str, on_text: Callable[[str], None]) -> None:
            body = request_body(target.wire, model)
            async with aconnect_sse(client, "POST", url, json=body) as source:
                async for event in source.aiter_sse():
                    if event.data != "[DONE]" and (text := text_of(target.wire, json.loads(event.data))):
                        on_text(text)

        yield read
