"""Every way to fail that is known has a test."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from faults.catalogue import CATALOGUE, Covered
from faults.table import TABLE

TESTS = Path(__file__).parent
FAULTS = {row.fault for rows in TABLE.values() for row in rows}


def test_the_catalogue_is_whole() -> None:
    """All of its fifty-two rows are here."""
    assert list(range(1, 53)) == list(CATALOGUE)


@pytest.mark.parametrize("covered", CATALOGUE.values(), ids=lambda covered: covered.what)
def test_each_row_is_tested_where_it_says(covered: Covered) -> None:
    """The rows of the fault table exist, and so do the tests."""
    assert covered.rows or covered.tests
    assert set() == set(covered.rows) - FAULTS
    for test in covered.tests:
        file, name = test.split("::")
        assert re.search(rf"^(?:async )?def {name}\(", (TESTS / file).read_text(), re.MULTILINE), test
