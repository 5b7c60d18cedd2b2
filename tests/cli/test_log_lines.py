"""What commands that serve for long log."""

from __future__ import annotations

import logging
import re

import pytest

from gestura.cli.log_lines import logged_to_stderr


def test_a_line_has_its_time_and_how_grave_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    """What is less grave than told is left out, and so is what is logged behind the block."""
    log = logging.getLogger("gestura.some_part")
    with logged_to_stderr("gestura.some_part", logging.WARNING):
        log.info("left out")
        log.warning("it is %s", "late")
    log.warning("not here")

    lines = capsys.readouterr().err.splitlines()
    assert ["WARNING it is late"] == [re.sub(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} ", "", line) for line in lines]
