"""What every command's help ends with: examples, each with what it does."""

from __future__ import annotations

__all__ = ["EXIT_CODES", "examples"]

EXIT_CODES = """\
\b
Exit codes:
  0    done
  1    it failed: an answer ended otherwise than with "done", a port can't be had
  2    the command line, a file it names or a setting is wrong
  130  Ctrl-C
"""


def examples(*commands: tuple[str, str]) -> str:
    """The end of a help.

    Args:
        commands: each with what it does, in a few words.

    >>> print(examples(("gestura ask Hi", "one question")).replace(chr(8), ""))
    <BLANKLINE>
    Examples:
      # one question
      gestura ask Hi
    """
    return "\b\nExamples:\n" + "\n".join(f"  # {words}\n  {command}" for command, words in commands)
