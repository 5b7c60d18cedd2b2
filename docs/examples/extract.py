"""Typed values out of many documents.

    python extract.py invoices/*.txt > invoices.jsonl

Each file is read by the model, and becomes a line of JSON that fits the class `Invoice`: checked, not hoped for. Four
are asked about at a time. What fails is told on stderr and ends nothing but itself; the exit code says if any did.
"""

from __future__ import annotations

import datetime
import json
import sys
from pathlib import Path
from typing import Literal

import attrs
import trio

import gestura

AT_ONCE = 4


@attrs.frozen
class Invoice:
    """An invoice, as it was sent.

    Args:
        total: with tax, in the currency's main unit.
        due: the last day to pay on, if it says so.
    """

    sender: str
    total: float = attrs.field(validator=attrs.validators.ge(0))
    currency: Literal["EUR", "NOK", "USD"]
    due: datetime.date | None


async def main(paths: list[str]) -> int:
    """Ask about every file; how many failed."""
    failed = 0
    room = trio.CapacityLimiter(AT_ONCE)

    async def extract(client: gestura.Client, path: Path) -> None:
        nonlocal failed
        async with room:
            try:
                invoice = await read_invoice(client, path)
            except (gestura.GesturaError, OSError, UnicodeDecodeError) as error:
                failed += 1
                print(f"{path}: {error}", file=sys.stderr)
            else:
                print(json.dumps({"file": path.name, **attrs.asdict(invoice)}, default=str), flush=True)

    async with gestura.open_client() as client, trio.open_nursery() as nursery:
        for path in paths:
            nursery.start_soon(extract, client, Path(path))
    return failed


async def read_invoice(client: gestura.Client, path: Path) -> Invoice:
    """The invoice in one file.

    Raises:
        StreamFailed: there was no answer.
        UnfitAnswer: there was one, and it is no `Invoice`; the words say why.
    """
    text = await trio.Path(path).read_text(encoding="utf-8")
    request = gestura.Request(system="Extract the invoice.", messages=[gestura.user(text)], response_format=Invoice)
    return (await client.ask(request)).parse(Invoice)


if __name__ == "__main__":
    sys.exit(1 if trio.run(main, sys.argv[1:]) else 0)
