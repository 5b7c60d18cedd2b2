"""Type-checked, never run: whoever asks for a class gets a value of it."""

from __future__ import annotations

from typing import Any, assert_type

import attrs

import gestura


@attrs.frozen
class Recipe:
    title: str


async def asked(client: gestura.Client, request: gestura.Request) -> None:
    """The type of an answer follows from its `response_format`."""
    assert_type(await client.ask("Hi"), gestura.Answer)
    assert_type(await client.ask("Hi", response_format=Recipe), gestura.ParsedAnswer[Recipe])
    assert_type((await client.ask("Hi", response_format=Recipe)).value, Recipe)
    assert_type((await client.ask("Hi", response_format={"type": "object"})).value, dict[str, Any])
    assert_type((await client.ask("Hi", response_format=gestura.response_format(Recipe))).value, dict[str, Any])
    assert_type((await client.ask(request)).parse(Recipe), Recipe)


async def streamed(client: gestura.Client) -> None:
    """So does that of a stream's object, in the end."""
    async with client.stream("Hi", response_format=Recipe) as chunks:
        objects = chunks.objects(Recipe)
        async for partial in objects:
            assert_type(partial, dict[str, Any])
        assert_type((await objects.collect()).value, Recipe)


def requested() -> gestura.Request:
    """A request takes the class itself."""
    return gestura.Request(messages=[gestura.user("Hi")], response_format=Recipe)
