"""Several providers side by side.

    python compare.py "Why is the sky blue?" openai anthropic gemini

Each of them is asked at the same time, and its answer grows in a panel of its own. One that fails is stood in for by
those behind it in the list: a panel's title says who answered in the end. Without names, all that are configured are
asked. The screen is painted ten times a second, however fast the answers come.
"""

from __future__ import annotations

import sys

import attrs
import trio
from rich.columns import Columns
from rich.live import Live
from rich.panel import Panel

import gestura


@attrs.define
class Column:
    """One provider, and what it has said so far."""

    name: str
    text: str = ""
    footer: str = "asked"

    def panel(self) -> Panel:
        """What is painted."""
        return Panel(self.text, title=self.name, subtitle=self.footer, width=38)


async def main(prompt: str, names: list[str]) -> None:
    """Ask all of them at once, and paint until the last has ended."""
    config = gestura.load_config()
    columns = [Column(name) for name in names or config.providers]
    with Live(auto_refresh=False) as live:
        async with trio.open_nursery() as painting:
            painting.start_soon(paint, live, columns)
            async with trio.open_nursery() as asking:
                for number, column in enumerate(columns):
                    behind = tuple(other.name for other in columns[number + 1 :])
                    asking.start_soon(ask, attrs.evolve(config, fallback=behind), prompt, column)
            painting.cancel_scope.cancel()
        live.update(Columns(column.panel() for column in columns), refresh=True)


async def ask(config: gestura.StreamingConfig, prompt: str, column: Column) -> None:
    """Fill one column. A client for each, since each has fallbacks of its own."""
    async with gestura.open_client(config) as client, client.stream(prompt, provider=column.name) as chunks:
        async for chunk in chunks:
            match chunk:
                case gestura.Text(text):
                    column.text += text
                    column.footer = "writing"
                case gestura.Status(message) | gestura.RetryAttempt(error_message=message):
                    column.footer = message
                case gestura.Done(provider=provider, usage=usage):
                    column.name = f"{column.name} → {provider}" if provider != column.name else column.name
                    column.footer = f"{usage.output_tokens} tokens" if usage else "done"
                case gestura.Error(message) | gestura.ContextOverflow(message):
                    column.footer = f"failed: {message}"


async def paint(live: Live, columns: list[Column]) -> None:
    """Show the state of things now and then: what is read faster than it can be seen need not be painted."""
    while True:
        live.update(Columns(column.panel() for column in columns), refresh=True)
        await trio.sleep(0.1)


if __name__ == "__main__":
    trio.run(main, sys.argv[1] if len(sys.argv) > 1 else sys.exit(__doc__), sys.argv[2:])
