"""What is told on stderr while nothing has come."""

from collections.abc import Iterator

import pytest
import trio
from trio.testing import MockClock

from gestura.cli.display import waiting
from gestura.cli.display.waiting import open_waiting_line

ERASE = "\r\x1b[K"


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Stderr passes for a terminal of 20 columns."""
    monkeypatch.setattr(waiting, "is_styled", lambda _: True)
    monkeypatch.setattr(waiting, "columns_of", lambda _: 20)


async def test_it_shows_after_a_second_and_vanishes(
    terminal: None, autojump_clock: MockClock, capsys: pytest.CaptureFixture[str]
) -> None:
    """It counts the seconds, says what is awaited now, fits its line, and leaves nothing behind."""
    async with open_waiting_line("waiting for a") as line:
        await trio.sleep(0.9)
        assert "" == capsys.readouterr().err
        await trio.sleep(0.6)
        line.what = "loading a model of great size"
        await trio.sleep(1)
        line.vanish()
        await trio.sleep(10)

    shown = f"{ERASE}\x1b[2mwaiting for a: 1 s\x1b[0m{ERASE}\x1b[2mloading a mode: 2 s\x1b[0m{ERASE}"
    assert shown == capsys.readouterr().err


async def test_a_note_stays(terminal: None, autojump_clock: MockClock, capsys: pytest.CaptureFixture[str]) -> None:
    """News stands on lines of its own, wrapped and made safe, and the waiting goes on below it."""
    async with open_waiting_line("waiting for a") as line:
        await trio.sleep(1.5)
        line.note("the first attempt failed\x1b")
        await trio.sleep(1)

    shown = f"{ERASE}\x1b[2mwaiting for a: {{}} s\x1b[0m{ERASE}"
    assert f"{shown.format(1)}gestura: the first \nattempt failed␛\n{shown.format(2)}" == capsys.readouterr().err


async def test_an_answer_that_comes_soon_shows_nothing(
    terminal: None, autojump_clock: MockClock, capsys: pytest.CaptureFixture[str]
) -> None:
    """No flicker for what comes within a second."""
    async with open_waiting_line("waiting for a"):
        await trio.sleep(0.9)

    assert "" == capsys.readouterr().err


async def test_where_there_is_no_terminal_only_notes_are_told(
    autojump_clock: MockClock, capsys: pytest.CaptureFixture[str]
) -> None:
    """A log file gets whole lines."""
    async with open_waiting_line("waiting for a") as line:
        await trio.sleep(5)
        line.note("the first attempt failed")

    assert "gestura: the first attempt failed\n" == capsys.readouterr().err
