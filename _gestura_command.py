"""The `gestura` command until it is loaded, which takes a fifth of a second: Ctrl-C ends it without a word then.

It stands beside the package because importing anything of the package imports most of it.
"""

from __future__ import annotations

import signal

__all__ = ["main"]


def main() -> None:
    """Run the command."""
    handler = signal.getsignal(signal.SIGINT)
    if handler is signal.default_int_handler:  # else it was started to ignore Ctrl-C, in the background say
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from gestura.cli import main as command

    signal.signal(signal.SIGINT, handler)
    command()
