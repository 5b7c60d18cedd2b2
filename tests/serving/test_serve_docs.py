"""What docs/serve.md shows works: the commands for curl, the JavaScript, the program with the `openai` package."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

import attrs
import pytest
import trio
from services import serving

from gestura.serve_settings import ServeSettings

pytestmark = pytest.mark.timeout(60)

PAGE = Path(__file__).parents[2] / "docs" / "serve.md"
ADDRESS = "http://127.0.0.1:8765"
RUN = {
    "sh": ["bash", "-eu", "-c"],
    "js": ["node", "--input-type=module", "--eval"],
    "py": [sys.executable, "-c"],
}


def examples() -> list[tuple[str, str]]:
    found = re.findall(r"^```(sh|js|py)\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert {"sh", "js", "py"} == {language for language, _ in found}
    return found


@pytest.mark.parametrize(("language", "code"), examples())
async def test_an_example_works_as_it_stands(language: str, code: str) -> None:
    """Against a service at another port, it exits with 0 and shows the answer, or where it is."""
    program, *arguments = RUN[language]
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    assert ADDRESS in code
    async with serving() as world:
        with trio.fail_after(40):
            run = await trio.run_process(
                [program, *arguments, code.replace(ADDRESS, world.server.url)],
                capture_stdout=True,
                capture_stderr=True,
                check=False,
                env={**os.environ, "no_proxy": "*"},
            )

    assert (0, b"") == (run.returncode, run.stderr)
    assert b"Hello" in run.stdout or b"/v1/streams/anyone." in run.stdout


def test_the_settings_are_all_there() -> None:
    """The table of the page names settings that exist, and all that have a place in the file."""
    table = PAGE.read_text(encoding="utf-8").split("```toml\n")[1].split("```")[0].split("[serve.keys]")[0]
    named = set(re.findall(r"^(\w+) =", table, re.MULTILINE))
    told_otherwise = {"keys", "redis_url", "allow_anyone", "worker"}

    assert {field.name for field in attrs.fields(ServeSettings)} - told_otherwise == named
