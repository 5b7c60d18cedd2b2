"""`reasoning_details`: how OpenRouter, and gateways like it, pass on the reasoning of the models behind them.

A list of entries, each in pieces over many events: its text (`text` or `summary`), a signature, or `data` that is
encrypted. A later turn has to send the entries back as they were, in their order. So each entry becomes a part of its
own: its text is the thinking that was shown, and all the rest of it, as JSON, is the seal. Only metadata are held back.

https://openrouter.ai/docs/use-cases/reasoning-tokens, "Preserving reasoning blocks"
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from gestura.chunks import Signature, Thinking
from gestura.parts import ThinkingPart
from gestura.providers._translation import cannot_say

__all__ = ["WIRE", "EntryReader", "as_entry", "shown_text"]

WIRE: Final = "openai_chat"

FIELDS: Final = ("type", "format", "id", "index", "signature", "data")
"""Of an entry, besides its text: strings, numbers or null."""


class EntryReader:
    """Pieces to thinking, and to the seals of the entries that the pieces make."""

    def __init__(self) -> None:
        self.entry: dict[str, Any] = {}
        """The open entry, as far as it is known and not shown."""
        self._shown = False

    def feed(self, piece: dict[str, Any]) -> list[Thinking | Signature]:
        """Take one piece. The seal of an entry comes when another one begins."""
        out: list[Thinking | Signature] = []
        if not self._continues(piece):
            out += self.close()
        for name in FIELDS:
            is_plain = name in piece and isinstance(piece[name], str | int | None)
            if is_plain and (piece[name] or name not in self.entry):
                self.entry[name] = piece[name]
        if text := shown_text(piece):
            self._shown = True
            out.append(Thinking(text))
        return out

    def close(self) -> list[Signature]:
        """The seal of the entry that is open, now that something else has come."""
        if not self.entry:
            return []
        seal = msgspec.json.encode(self.entry).decode()
        signature = Signature(seal, redacted=not self._shown, sealed_by=WIRE)
        self.entry, self._shown = {}, False
        return [signature]

    def _continues(self, piece: dict[str, Any]) -> bool:
        """Whether a piece is one more of the open entry. What is signed or encrypted is whole."""
        entry = self.entry
        same = all(entry.get(name) == piece.get(name) for name in ("type", "index", "id"))
        return same and not entry.get("signature") and not entry.get("data")


def shown_text(piece: dict[str, Any]) -> str:
    """What a piece shows of the reasoning."""
    text = piece.get("text") or piece.get("summary")
    return text if isinstance(text, str) else ""


def as_entry(path: str, part: ThinkingPart) -> dict[str, Any]:
    """The entry that a part was made of.

    Raises:
        ConfigError: its seal is none of this wire format.

    >>> as_entry("messages[1].parts[0]", ThinkingPart("So", signature='{"type":"reasoning.text"}', sealed_by=WIRE))
    {'type': 'reasoning.text', 'text': 'So'}
    """
    try:
        entry = msgspec.json.decode(part.signature or "")
    except (msgspec.DecodeError, RecursionError):
        entry = None
    if not isinstance(entry, dict):
        cannot_say(f"{path}.signature", f"no seal of {WIRE}")
    match entry.get("type"):
        case "reasoning.text":
            return {**entry, "text": part.text}
        case "reasoning.summary":
            return {**entry, "summary": part.text}
        case _:
            return entry
