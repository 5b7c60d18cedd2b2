"""pydantic-ai's direct model stream, which costs less than an `Agent`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import openai
from pydantic_ai.direct import model_request_stream
from pydantic_ai.messages import ModelRequest, PartDeltaEvent, PartStartEvent, TextPart, TextPartDelta
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from benchmarks.clients import Reader, Target
from benchmarks.clients.events import PROMPT

__all__ = ["open_reader"]


@asynccontextmanager
async def open_reader(target: Target) -> AsyncIterator[Reader]:
    """Over a client of OpenAI's package: its own would not open more than 100 connections."""
    async with openai.AsyncOpenAI(api_key="any", base_url=f"{target.url}/v1") as client:
        provider = OpenAIProvider(openai_client=client)

        async def read(model: str, on_text: Callable[[str], None]) -> None:
            messages = [ModelRequest.user_text_prompt(PROMPT)]
            async with model_request_stream(OpenAIChatModel(model, provider=provider), messages) as stream:
                async for event in stream:
                    match event:
                        case PartStartEvent(part=TextPart(content=text)):
                            on_text(text)
                        case PartDeltaEvent(delta=TextPartDelta(content_delta=text)):
                            on_text(text)

        yield read
