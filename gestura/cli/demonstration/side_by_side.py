"""`gestura demo --all`: one question to six simulated providers at once, and what each stream makes of the answer.

Five wire formats go in, and one kind of stream comes out: on a terminal the six are shown as they run, in a pipe one
after the other.
"""

from __future__ import annotations

import attrs
import trio
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from gestura import simulator
from gestura._actors.groups import bare_errors
from gestura._client import Client
from gestura._open_client import open_client
from gestura.chunks import Done, Ending, FinishReason, Status, Thinking
from gestura.chunks import Text as TextChunk
from gestura.cli.demonstration.peers import Peer, settings_of
from gestura.cli.demonstration.show import Show
from gestura.cli.demonstration.tables import new_table
from gestura.cli.demonstration.tour import WEATHER
from gestura.cli.display.views import Transcript
from gestura.cli.display.wording import describe, in_dollars
from gestura.config import StreamingConfig
from gestura.conversation import Request
from gestura.messages import user
from gestura.pricing import estimate_cost
from gestura.simulator import Scenario, Sending, Stall, ToolCall
from gestura.usage import TokenUsage

__all__ = ["PEERS", "show_side_by_side"]

QUESTION = Request(messages=(user("Shall I need an umbrella in Oslo?"),), tools=(WEATHER,))
REFRESHES_PER_SECOND = 10
NARROWEST = 26  # columns of a panel that a tool call fits


def _peer(name: str, kind: str, model: str, *, first_word: float, interval: float) -> Peer:
    """A provider that answers as the others do, at its own pace: both in seconds."""
    scenario = Scenario(
        model=model,
        steps=(
            Thinking("It depends on the weather, and there is a tool for that."),
            TextChunk("Let me look at the forecast."),
            ToolCall("call_oslo", "get_weather", '{"city": "Oslo"}'),
        ),
        finish=FinishReason.TOOL_CALLS,
        usage=TokenUsage(input_tokens=74, output_tokens=31),
        sending=Sending(interval=interval),
        faults=(Stall(seconds=first_word),),
    )
    return Peer(name=name, kind=kind, scenario=scenario)


PEERS = (
    _peer("OpenAI Chat", "openai", "gpt-4.1", first_word=0.4, interval=0.12),
    _peer("OpenAI Responses", "openai", "gpt-5-mini", first_word=0.9, interval=0.09),
    _peer("Anthropic", "anthropic", "claude-sonnet-5-5", first_word=0.6, interval=0.10),
    _peer("Gemini", "gemini", "gemini-3.5-flash", first_word=0.3, interval=0.15),
    _peer("Grok", "grok", "grok-4.3", first_word=0.7, interval=0.08),
    _peer("Ollama", "ollama", "llama3.2", first_word=1.2, interval=0.14),
)


@attrs.define
class _Lane:
    """One of the streams, as far as it has come.

    Args:
        name: of its provider.
        transcript: how it is shown.
    """

    name: str
    transcript: Transcript
    shown: str = ""
    chunks: int = 0
    seconds_to_first: float | None = None
    ending: Ending | None = None

    async def run(self, client: Client) -> None:
        """Ask, and follow the answer to its end."""
        started = trio.current_time()
        async with client.stream(QUESTION, provider=self.name) as chunks:
            async for chunk in chunks:
                self.shown += self.transcript.feed(chunk)
                self.chunks += 1
                if self.seconds_to_first is None and not isinstance(chunk, Status):
                    self.seconds_to_first = trio.current_time() - started
                if isinstance(chunk, Ending):
                    self.ending = chunk

    @property
    def finish(self) -> str:
        """Why it ended, in a word where all is well."""
        match self.ending:
            case None:
                return "…"
            case Done(finish_reason=reason):
                return reason.value
            case _:
                return describe(self.ending)

    def panel(self, console: Console, columns: int, lines: int) -> Panel:
        """The stream in a box: of what was said, the last that fits."""
        text = Text.from_ansi(self.shown.rstrip()).wrap(console, columns - 4)[-(lines - 2) :]
        return Panel(Group(*text), title=self.name, subtitle=self.finish, height=lines)


async def show_side_by_side() -> None:
    """Ask all six, show them live or one after the other, and compare."""
    show = Show()
    show.title("Six providers at once", "Five wire formats, and one kind of stream.")
    show.say(f"> {QUESTION.messages[-1].text}", style="bold")
    lanes = [_Lane(peer.name, Transcript(styled=show.styled)) for peer in PEERS]
    async with simulator.open_simulator(peer.scenario for peer in PEERS) as playing:
        config = StreamingConfig(primary=PEERS[0].name, providers=settings_of(PEERS, playing.url))
        async with open_client(config) as client:
            if show.console.is_terminal and not show.console.is_dumb_terminal:
                await _run_live(lanes, client, show.console)
            else:
                await _run(lanes, client)
                for lane in lanes:
                    show.console.print(f"\n{lane.name}\n{lane.shown}-- {lane.finish}", soft_wrap=True)
    show.console.print()
    show.console.print(_comparison(lanes))


async def _run(lanes: list[_Lane], client: Client) -> None:
    with bare_errors():
        async with trio.open_nursery() as nursery:
            for lane in lanes:
                nursery.start_soon(lane.run, client)


async def _run_live(lanes: list[_Lane], client: Client, console: Console) -> None:
    """Run them, and show all of them all the time."""
    with Live(console=console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False) as live:

        async def refresh() -> None:
            while True:
                live.update(_grid(lanes, console), refresh=True)
                await trio.sleep(1 / REFRESHES_PER_SECOND)

        with bare_errors():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(refresh)
                await _run(lanes, client)
                nursery.cancel_scope.cancel()
        live.update(_grid(lanes, console), refresh=True)


def _grid(lanes: list[_Lane], console: Console) -> RenderableType:
    """The panels of all lanes, in as many columns as the terminal has room for, and no higher than it is."""
    across = next(number for number in (6, 3, 2, 1) if number == 1 or number * NARROWEST <= console.width)
    down = len(lanes) // across
    columns, lines = console.width // across, max(4, min(12, (console.height - 1) // down))
    grid = Table.grid(expand=False)
    for start in range(0, len(lanes), across):
        grid.add_row(*(lane.panel(console, columns, lines) for lane in lanes[start : start + across]))
    return grid


def _comparison(lanes: list[_Lane]) -> Table:
    table = new_table("What came of it", "provider", "first chunk", "chunks", "tokens in", "out", "cost", "finish")
    for lane in lanes:
        usage = (lane.ending.usage if isinstance(lane.ending, Done) else None) or TokenUsage()
        table.add_row(
            lane.name,
            "" if lane.seconds_to_first is None else f"{lane.seconds_to_first * 1000:,.0f} ms",
            f"{lane.chunks:,}",
            _count(usage.input_tokens),
            _count(usage.output_tokens),
            in_dollars(estimate_cost(usage)),
            lane.finish,
        )
    return table


def _count(tokens: int | None) -> str:
    return "" if tokens is None else f"{tokens:,}"
