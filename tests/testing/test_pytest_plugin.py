"""The pytest plugin gives its fixtures to those who ask, and costs nothing to those who don't.

Each test runs pytest anew in a process of its own, with the plugins that a user's project would have and no others.
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """An empty project."""
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    return tmp_path


def run_pytest(project: Path, test: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run one test file there with gestura's plugin, and others where `options` name them."""
    (project / "test_it.py").write_text(test)
    environment = {
        **os.environ,
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTHONPATH": str(ROOT),
        "PYTEST_ADDOPTS": "",
    }
    command = [sys.executable, "-m", "pytest", "-q", "-p", "_gestura_pytestplugin", *options]
    return subprocess.run(command, cwd=project, env=environment, check=False, capture_output=True, text=True)


def test_a_plain_project_does_not_notice_it(project: Path) -> None:
    """Where no test asks for a fixture, neither gestura nor Trio is imported."""
    run = run_pytest(
        project,
        "import sys\ndef test_nothing():\n    assert not {'gestura', 'trio', 'aiohttp'} & set(sys.modules)\n",
    )

    assert (0, "1 passed") == (run.returncode, run.stdout.splitlines()[-1][:8]), run.stdout


def test_a_client_is_opened(project: Path) -> None:
    """With pytest-trio, a test awaits a client that answers as it says."""
    run = run_pytest(
        project,
        "import pytest\n"
        "from gestura.testing import HttpError\n"
        "@pytest.mark.trio\n"
        "async def test_app(gestura_client, autojump_clock):\n"
        "    async with gestura_client(HttpError(status=503), 'Hello!') as client:\n"
        "        assert 'Hello!' == str(await client.ask('Hi'))\n",
        "-p",
        "pytest_trio.plugin",
    )

    assert 0 == run.returncode, run.stdout


def test_a_client_needs_no_pytest_trio(project: Path) -> None:
    """A project that runs Trio by itself can use the fixture all the same."""
    run = run_pytest(
        project,
        "from gestura.testing import run_in_virtual_time\n"
        "def test_app(gestura_client):\n"
        "    async def main():\n"
        "        async with gestura_client('Hello!', kind='anthropic') as client:\n"
        "            return str(await client.ask('Hi'))\n"
        "    assert 'Hello!' == run_in_virtual_time(main)\n",
    )

    assert 0 == run.returncode, run.stdout


def test_a_simulator_serves_while_the_test_runs(project: Path) -> None:
    """A simulator listens on a port of its own, without an event loop in the test, and is gone afterwards."""
    run = run_pytest(
        project,
        "import json, threading, urllib.request\n"
        "def test_server(gestura_simulator):\n"
        "    simulator = gestura_simulator()\n"
        "    body = json.dumps({'model': simulator.models[0], 'messages': []}).encode()\n"
        "    request = urllib.request.Request(simulator.url + '/v1/chat/completions', body)\n"
        "    with urllib.request.urlopen(request, timeout=10) as response:\n"
        "        assert response.status == 200\n"
        "def test_gone():\n"
        "    assert 1 == threading.active_count()\n",
    )

    assert 0 == run.returncode, run.stdout


def test_the_fixtures_are_listed(project: Path) -> None:
    """`pytest --fixtures` tells what they are for."""
    listed = run_pytest(project, "", "--fixtures").stdout

    assert all(words in listed for words in ("gestura_client", "`gestura_client(*replies)` opens", "gestura_simulator"))


def test_the_plugin_is_declared() -> None:
    """Installing gestura installs the plugin."""
    found = metadata.entry_points(group="pytest11", name="gestura")
    if not found:
        pytest.skip("gestura was installed before it had a plugin")
    [plugin] = found

    assert "_gestura_pytestplugin" == plugin.value
