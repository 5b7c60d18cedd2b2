"""The page on published streams says what the code does."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from gestura.relay import RelaySettings

PAGE = (Path(__file__).parents[2] / "docs" / "relay.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("setting", attrs.fields(RelaySettings), ids=lambda setting: setting.name)
def test_the_page_tells_every_setting_and_its_default(setting: attrs.Attribute[object]) -> None:
    """In the table of settings."""
    assert f"\n| `{setting.name}` | {setting.default:.0f} | " in PAGE


@pytest.mark.parametrize(
    "code",
    ["publisher_lost", "publication_lost", "log_unreachable", "stream_lost", "not_begun", "unreadable", "no_ending"],
)
def test_the_page_tells_of_every_code(code: str) -> None:
    """What an `Error` of kind `relay` may say."""
    sources = (Path(__file__).parents[2] / "gestura" / "relay").glob("*.py")

    assert f"`{code}`" in PAGE
    assert any(f'"{code}"' in source.read_text(encoding="utf-8") for source in sources)
