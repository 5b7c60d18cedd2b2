"""What an installation of gestura promises: its commands, its types, and the requirements it declares."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import metadata, resources
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[1]


def requirement(name: str) -> Requirement:
    """What the installed package says of one of its dependencies."""
    [found] = [each for each in map(Requirement, metadata.requires("gestura") or ()) if each.name == name]
    return found


def test_the_package_is_typed() -> None:
    """Type checkers read gestura's own annotations."""
    assert resources.files("gestura").joinpath("py.typed").is_file()


@pytest.mark.parametrize("command", [["-m", "gestura"], ["-c", "from _gestura_command import main; main()"]], ids=str)
def test_the_command_runs(command: list[str]) -> None:
    """`python -m gestura` and what the `gestura` script calls are the same command."""
    run = subprocess.run([sys.executable, *command, "--help"], check=False, capture_output=True, text=True)

    assert (0, "") == (run.returncode, run.stderr)
    assert all(name in run.stdout for name in ("ask", "demo", "simulate", "replay"))


def test_the_script_is_declared() -> None:
    """Installing gestura installs the `gestura` command."""
    [script] = metadata.entry_points(group="console_scripts", name="gestura")

    assert script.value == "_gestura_command:main"


def test_the_page_on_reliability_names_every_requirement() -> None:
    """A new one is told there with its purpose; extras are not required."""
    page = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    _, told = page.split("## Supply chain", 1)
    named = map(Requirement, metadata.requires("gestura") or ())
    required = [each.name for each in named if "extra" not in str(each.marker)]

    assert [] == [name for name in required if f"`{name}`" not in told]


@pytest.mark.parametrize(("python", "wanted"), [("3.11", True), ("3.13", True), ("3.14", False), ("3.15", False)])
def test_trio_asyncio_is_required_where_it_imports(python: str, *, wanted: bool) -> None:
    """On Python 3.14 and newer gestura installs without trio-asyncio, which does not import there."""
    marker = requirement("trio-asyncio").marker

    assert marker is not None
    assert wanted == marker.evaluate({"python_version": python})


def test_the_local_model_is_optional() -> None:
    """Only `gestura[local]` brings a model server, and the version that the Makefile installs satisfies it."""
    server = requirement("xllamacpp")
    [pinned] = re.findall(r"xllamacpp==(\S+)", (ROOT / "Makefile").read_text(encoding="utf-8"))

    assert server.marker is not None
    assert not server.marker.evaluate({"extra": ""})
    assert server.marker.evaluate({"extra": "local"})
    assert server.specifier.contains(Version(pinned))


def test_the_changelog_covers_this_version() -> None:
    """The newest heading of the changelog is what is unreleased, or the version at hand."""
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)

    assert headings[0] in {"Unreleased", metadata.version("gestura")}
