"""What is said as text where a provider has no field for it: documents that are text, and that a tool failed."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Final

from gestura.parts import DocumentPart, ToolResult
from gestura.providers._inline_files import inline_file
from gestura.providers._translation import cannot_say

__all__ = ["FAILED", "TEXTUAL", "document_text", "result_text"]

TEXTUAL: Final = ("text/", "application/json", "application/xml", "application/yaml")
"""How the media types begin that are text."""


FAILED: Final = "Error: "
"""Stands before the result of a tool that failed, where there is no field for that."""


def document_text(path: str, part: DocumentPart) -> str | None:
    r"""The text of a document between tags that name it; `None` for one that is no text, or that has to be fetched.

    Raises:
        ConfigError: it calls itself text and is no UTF-8.

    >>> document_text("messages[0].parts[0]", DocumentPart(data=b"Milk", media_type="text/plain", name="list.txt"))
    '<document name="list.txt">\nMilk\n</document>'
    """
    held = inline_file(path, part)
    if held is None or not held[0].startswith(TEXTUAL):
        return None
    try:
        text = held[1].decode()
    except UnicodeDecodeError:
        cannot_say(f"{path}.document.data", f"{held[0]} is sent as text, and these bytes are no UTF-8")
    name = f' name="{escape(part.name)}"' if part.name else ""
    return f"<document{name}>\n{text}\n</document>"


def result_text(result: ToolResult, texts: Iterable[str]) -> str:
    """The texts of a tool's result as one, a blank line between them; that the tool failed is said before them.

    >>> result_text(ToolResult("c1", (), is_error=True), ["No such city."])
    'Error: No such city.'
    """
    text = "\n\n".join(texts)
    return FAILED + text if result.is_error else text
