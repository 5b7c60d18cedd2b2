"""What a demonstration writes: titles, remarks, streams as they come; and what it keeps of the streams."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable

import attrs
from rich.console import Console
from rich.text import Text

from gestura._actors.statistics import StreamStatistics
from gestura._stream import ChunkStream
from gestura.chunks import Ending
from gestura.chunks import Text as TextChunk
from gestura.cli.display.streams import columns_of, is_styled, write_out
from gestura.cli.display.views import Transcript
from gestura.cli.display.word_wrap import wrapped

__all__ = ["Show"]


@attrs.define
class Show:
    """Writes to standard output.

    Args:
        seen: statistics of every stream that was shown.
    """

    seen: list[StreamStatistics] = attrs.field(factory=list, init=False)
    console: Console = attrs.field(
        factory=lambda: Console(file=sys.stdout, highlight=False, markup=False, emoji=False), init=False
    )
    styled: bool = attrs.field(factory=lambda: is_styled(sys.stdout), init=False)
    columns: int | None = attrs.field(factory=lambda: columns_of(sys.stdout), init=False)

    def title(self, title: str, note: str) -> None:
        """Begin something new."""
        self.console.print()
        self.console.rule(Text(title, style="bold"), align="left", characters="-")
        self.say(note, style="italic")
        self.console.print()

    def say(self, words: str, style: str = "") -> None:
        """A remark, or what the user asks."""
        self.console.print(Text(wrapped(words, self.columns), style=style), soft_wrap=True)

    async def stream(
        self, chunks: ChunkStream, *, after: int = 0, then: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        """Show a stream to its end.

        Args:
            chunks: the stream.
            after: so many chunks of text.
            then: is what the user does.
        """
        transcript = Transcript(styled=self.styled, columns=self.columns)
        texts = 0
        async for chunk in chunks:
            await write_out(transcript.feed(chunk))
            if isinstance(chunk, Ending):
                await write_out(transcript.end(chunk))
            elif isinstance(chunk, TextChunk):
                texts += 1
                if then is not None and texts == after:
                    await then()
        self.seen.append(chunks.statistics())
