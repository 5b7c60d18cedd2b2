"""The page on failures says what the code does."""

from __future__ import annotations

from pathlib import Path

import pytest
from faults.table import markdown

from gestura.config import RetryPolicy, Timeouts
from gestura.errors import ErrorKind

PAGE = (Path(__file__).parents[1] / "docs" / "failures.md").read_text()


def test_the_page_holds_the_fault_table() -> None:
    """Every row as it is tested, and no other; `PYTHONPATH=tests python tests/faults/table.py` writes it anew."""
    _, table = PAGE.split("### Before a connection stands", 1)

    assert markdown() == "### Before a connection stands" + table


@pytest.mark.parametrize("kind", list(ErrorKind), ids=lambda kind: kind.value)
def test_the_page_tells_of_every_kind_of_failure(kind: ErrorKind) -> None:
    """Each has a line that says whether it is tried again."""
    assert f"\n| `{kind.value}` | " in PAGE


def test_the_page_tells_the_defaults() -> None:
    """The curve, the jitter and the deadlines are those of the code."""
    policy, timeouts = RetryPolicy(), Timeouts()

    assert (3, 1.0, 8.0, 2.0, 0.25) == (
        policy.max_attempts,
        policy.initial_delay,
        policy.max_delay,
        policy.multiplier,
        policy.jitter,
    )
    assert "three unless you say otherwise" in PAGE
    assert "1 s, 2 s, 4 s, 8 s, 8 s …, each ± 25 %" in PAGE
    assert f"| `connect` | {timeouts.connect:g} |" in PAGE
    assert f"| `first_content` | {timeouts.first_content:g} |" in PAGE
    assert f"| `idle` | {timeouts.idle:g} |" in PAGE
    assert "| `total` | off |" in PAGE
    assert timeouts.total is None
