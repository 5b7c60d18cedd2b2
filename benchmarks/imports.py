"""Programs that tell how long an import takes in a fresh interpreter, as JSON on standard output."""

from __future__ import annotations

from typing import Final

__all__ = ["IMPORTS", "import_program"]

IMPORTS: Final = {
    "gestura": "gestura",
    "what gestura is made of": "trio, trio_asyncio, aiohttp, msgspec, attrs",
    "openai": "openai",
    "anthropic": "anthropic",
    "litellm": "litellm",
    "pydantic-ai": "pydantic_ai.direct, pydantic_ai.models.openai",
}
"""What is imported, by the name that tables have for it."""


def import_program(modules: str) -> str:
    """A program for `python -c`. It pins itself by hand: `benchmarks.pinning` would import much of what is measured."""
    return (
        "import os, time; "
        "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}) if hasattr(os, 'sched_setaffinity') else None; "
        f"start = time.perf_counter(); import {modules}; "
        "print('{\"import_ms\": %f}' % ((time.perf_counter() - start) * 1e3))"
    )
