"""`python -m gestura` is the `gestura` command."""

from gestura.cli import main

main(prog_name="gestura")
