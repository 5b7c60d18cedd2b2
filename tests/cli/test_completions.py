"""A shell completes `gestura` by the script that it prints."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from processes import environment

from gestura.cli import main
from gestura.cli.completions import SHELLS

# What bash does when TAB is pressed, but for the key.
IN_BASH = """
eval "$(gestura completions bash)"
for words; do
    COMPREPLY=(); COMP_WORDS=($words); COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    _gestura_completion gestura
    echo "$words -> ${COMPREPLY[@]}"
done
"""

COMPLETED = """\
gestura in -> inspect
gestura config ch -> check
gestura ask --pl -> --plain
gestura replay --wire openai_r -> openai_responses
gestura ask --provider oll -> ollama
"""


def test_bash_completes(tmp_path: Path) -> None:
    """Commands, options, choices, and the providers that are configured."""
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("there is no bash on the path")
    place = tmp_path / "gestura"
    place.write_text(f'#!/bin/sh\nexec {sys.executable} -c "from _gestura_command import main; main()" "$@"\n')
    place.write_text(place.read_text().replace("main()", "import sys; sys.argv[0] = 'gestura'; main()"))
    place.chmod(0o755)
    env = environment(None)
    env["PATH"] = f"{tmp_path}:{env['PATH']}"
    words = [line.partition(" -> ")[0] for line in COMPLETED.splitlines()]
    done = subprocess.run(
        [bash, "--norc", "-c", IN_BASH, "bash", *words], capture_output=True, text=True, env=env, check=True
    )

    assert COMPLETED == done.stdout


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_has_a_script(shell: str) -> None:
    """It asks the command for what to complete."""
    result = CliRunner().invoke(main, ["completions", shell])

    assert (0, True) == (result.exit_code, f"_GESTURA_COMPLETE={shell}_complete" in result.stdout)


def test_another_shell_is_refused() -> None:
    """With those that there are."""
    result = CliRunner().invoke(main, ["completions", "tcsh"])

    assert (2, True) == (result.exit_code, "'bash', 'zsh', 'fish'" in result.stderr)
