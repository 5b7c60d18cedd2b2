"""The `gestura` command. `main` is its entry point; each subcommand is a module, imported when it is asked for.

What they share lies beside them; what only one of them needs, or only the showing of streams, has a package of its own:
`chatting`, `demonstration`, `display`, `recordings`.

Exit codes: 0 it is done, 1 it failed, 2 the command or a file it names is wrong, 130 Ctrl-C.
"""

from __future__ import annotations

import io
import os
import signal
import sys
from importlib import import_module
from typing import IO, Any, Final

import click

from gestura.cli.help import EXIT_CODES, examples
from gestura.cli.interrupts import INTERRUPTED
from gestura.cli.terminal_text import visible_line
from gestura.errors import ConfigError

__all__ = ["main"]


_HOMES: Final = {
    "ask": "ask",
    "chat": "chat",
    "completions": "completions",
    "config": "configuration",
    "demo": "demo",
    "inspect": "inspect",
    "providers": "providers",
    "replay": "replay",
    "serve": "serve",
    "simulate": "simulate",
    "worker": "worker",
}
"""The module of this package that has each command, by its name."""


class _Problem(click.ClickException):
    """Something is wrong that no look at the command's usage mends: a setting, a file."""

    exit_code = 2

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(f"gestura: {self.message}", file=file or sys.stderr)


class _Commands(click.Group):
    """Imports the command that is asked for alone, and maps what it may raise to exit codes.

    All of them take twice as long to import as the one. Of Ctrl-C and a closed pipe, click would make failures.
    """

    def list_commands(self, context: click.Context) -> list[str]:
        return sorted({*_HOMES, *super().list_commands(context)})

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in _HOMES:
            return super().get_command(context, name)
        command: click.Command = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        return command

    def invoke(self, context: click.Context) -> Any:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")  # a terminal that can't show a character is no reason to fail
        try:
            return super().invoke(context)
        except KeyboardInterrupt:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # a second one ends even a wait for the terminal
            click.echo(err=True)  # the line with ^C ends here
            context.exit(INTERRUPTED)
        except BrokenPipeError:
            # The reader has what it wanted. Python would complain of the closed pipe once more when it exits.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            context.exit(0)
        except ConfigError as error:
            raise _Problem(visible_line(str(error))) from error
        except OSError as error:
            if error.filename is None:
                raise
            raise _Problem(visible_line(f"{error.filename}: {error.strerror}")) from error


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples(
        ('gestura ask "Why is the sky blue?"', "ask the provider that the environment configures"),
        ("gestura providers", "see which that is"),
        ("gestura demo", "see what streams do, without a key"),
        ("gestura COMMAND --help", "more examples"),
    )
    + "\n\n"
    + EXIT_CODES,
)
@click.version_option(package_name="gestura")
def main() -> None:
    """One typed stream of chunks from any language-model provider."""
