"""The page on the design says what a stream may hold, as it is tested."""
# ruff: noqa: RUF001  # the page has the sign for it

from __future__ import annotations

from pathlib import Path

import pytest
from ceiling import KIBIBYTE, MEBIBYTE, ON_ITS_WAY, WEIGHTS, ceiling

from gestura._actors.read_ahead import READ_AHEAD_BYTES
from gestura.limits import Limits
from gestura.transport._aiohttp_session import SLICE_BYTES

PAGE = (Path(__file__).parents[1] / "docs" / "design.md").read_text()


@pytest.mark.parametrize(("setting", "weight"), WEIGHTS.items())
def test_the_page_tells_each_share_of_the_ceiling(setting: str, weight: int) -> None:
    """Each limit stands in the table with its weight."""
    told = f"{weight // KIBIBYTE} KiB" if weight >= KIBIBYTE else str(weight)

    assert f"{told} × `{setting}`" in PAGE


def test_the_page_tells_the_sum() -> None:
    """With the defaults, and with lower limits."""
    low = Limits(
        max_answer_bytes=MEBIBYTE,
        max_frame_bytes=MEBIBYTE,
        max_tool_argument_bytes=MEBIBYTE,
        max_json_parts=50_000,
    )

    assert f"{ON_ITS_WAY} × {(READ_AHEAD_BYTES + 2 * SLICE_BYTES) / MEBIBYTE} MiB" in PAGE
    assert f"With the defaults that is {ceiling(Limits()) / MEBIBYTE:.0f} MiB" in PAGE
    assert f"50,000 parts make it {ceiling(low) / MEBIBYTE:.0f} MiB" in PAGE
