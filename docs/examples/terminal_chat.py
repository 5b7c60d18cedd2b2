"""A chat in the terminal.

    python terminal_chat.py

Each line that you type is a question, and the answer appears while it is written. Ctrl-C ends the answer, of which the
part that was shown stays in the conversation; Ctrl-C at the prompt, or Ctrl-D, ends the chat; an empty line does not.
"""

from __future__ import annotations

import signal
import sys

import trio

import gestura


async def main() -> None:
    """Ask, show, remember, until there is nothing more to ask."""
    history: list[gestura.Message] = []
    async with gestura.open_client() as client:
        while (line := await ask_user("you> ")) is not None:
            if not line:
                continue
            history.append(gestura.user(line))
            token = gestura.CancellationToken()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(cancel_on_interrupt, token)
                async with client.run(history, token=token) as run:  # a stream that keeps the messages
                    async for chunk in run:
                        show(chunk)
                nursery.cancel_scope.cancel()
            history += run.messages
            if isinstance(run.ending, gestura.Cancelled) and run.ending.partial:
                history.append(run.ending.partial)


async def ask_user(prompt: str) -> str | None:
    """A line of the user's, read in a thread, since a terminal can't be waited for; nothing at the end."""

    def read() -> str:
        print(prompt, end="", flush=True)
        return sys.stdin.readline()

    line = await trio.to_thread.run_sync(read, abandon_on_cancel=True)
    return line.strip() if line else None


async def cancel_on_interrupt(token: gestura.CancellationToken) -> None:
    """While an answer comes, Ctrl-C means the answer, and not the program."""
    with trio.open_signal_receiver(signal.SIGINT) as signals:
        async for _ in signals:
            token.cancel()


def show(chunk: gestura.StreamChunk) -> None:
    """What a person wants to see of it."""
    match chunk:
        case gestura.Text(text):
            print(text, end="", flush=True)
        case gestura.Status(message):
            print(f"[{message}]", file=sys.stderr)
        case gestura.RetryAttempt(attempt, max_attempts):
            print(f"[asking again, {attempt} of {max_attempts}]", file=sys.stderr)
        case gestura.Done():
            print()
        case gestura.Cancelled():
            print(" [stopped]")
        case gestura.Error(message) | gestura.ContextOverflow(message):
            print(f"\n[no answer: {message}]", file=sys.stderr)


if __name__ == "__main__":
    try:
        trio.run(main)
    except KeyboardInterrupt:
        print()
