"""`gestura completions`: what teaches a shell to complete the commands, their options and the names of providers."""

from __future__ import annotations

from typing import Final

import click
from click.shell_completion import get_completion_class

from gestura.cli.help import examples
from gestura.errors import InternalError

__all__ = ["completions"]

SHELLS: Final = ("bash", "zsh", "fish")


@click.command(
    epilog=examples(
        ('eval "$(gestura completions bash)"', "in ~/.bashrc"),
        ('eval "$(gestura completions zsh)"', "in ~/.zshrc"),
        ("gestura completions fish | source", "in ~/.config/fish/config.fish"),
    )
)
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completions(context: click.Context, shell: str) -> None:
    """Print the script that teaches a shell to complete `gestura`.

    Each completion asks the command itself, so it knows the providers that are configured.
    """
    complete = get_completion_class(shell)
    if complete is None:
        raise InternalError(f"click has lost its completion for {shell}")
    click.echo(complete(context.find_root().command, {}, "gestura", "_GESTURA_COMPLETE").source())
