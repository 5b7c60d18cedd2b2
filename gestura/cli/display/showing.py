"""A stream shown as it comes, with what is told beside it while it does not come."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable

from gestura._stream import ChunkStream
from gestura.chunks import AgentLoopIteration, Ending, RetryAttempt, Status, StepDone, ToolConfirmationRequired
from gestura.cli.display.streams import columns_of, is_styled, rows_of, write_out
from gestura.cli.display.views import AnswerOnly, JsonLines, Transcript, View
from gestura.cli.display.waiting import WaitingLine
from gestura.cli.display.wording import describe_retry
from gestura.errors import InternalError

__all__ = ["show", "view_of_output"]


def view_of_output(*, plain: bool, as_json: bool) -> View:
    """How a stream is shown on standard output: for a person at a terminal, and in a pipe the answer alone.

    Args:
        plain: a terminal, too, gets the answer as it was written.
        as_json: it is chunks that are wanted.
    """
    if as_json:
        return JsonLines()
    if not sys.stdout.isatty():
        return AnswerOnly()
    styled = is_styled(sys.stdout)
    # Where styles are not welcome, the marks of Markdown say as much.
    rows = rows_of(sys.stdout) if styled and not plain else None
    return Transcript(styled=styled, columns=columns_of(sys.stdout), rows=rows)


async def show(
    chunks: ChunkStream,
    view: View,
    waiting: WaitingLine,
    confirm: Callable[[ToolConfirmationRequired], Awaitable[None]] | None = None,
) -> Ending:
    """Show a stream to its end, on standard output.

    Args:
        chunks: the stream.
        view: what makes text of it.
        waiting: says what is awaited, and takes the news.
        confirm: asks the user, while nothing else is written.
    """
    model = waiting.what
    async for chunk in chunks:
        match chunk:
            case Status(message) if not isinstance(view, JsonLines):
                waiting.what = message
            case RetryAttempt() if not isinstance(view, JsonLines) and not view.column:
                waiting.note(describe_retry(chunk))
            case ToolConfirmationRequired() if confirm is not None:
                waiting.vanish()
                await confirm(chunk)
                waiting.wait()
            case _:
                waiting.vanish()
                await write_out(view.feed(chunk))
                if isinstance(chunk, StepDone | AgentLoopIteration):
                    waiting.what = model if isinstance(chunk, AgentLoopIteration) else "waiting for tools"
                if view.column is not None:
                    waiting.wait(view.column)
        if isinstance(chunk, Ending):
            return chunk
    raise InternalError("a stream had no ending")
