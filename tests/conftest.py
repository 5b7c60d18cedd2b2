"""What all tests share: hypothesis profiles, and recorded provider traffic where it is at hand.

Each property is run on 50 examples; with `HYPOTHESIS_PROFILE=more` on 200, with `HYPOTHESIS_PROFILE=thorough` on 1,000.
All are deterministic.

`--transport thread` and `--fused` run whatever does not choose for itself over that transport, and with all stages in
one actor: the suite passes in any of the four ways.

A test that asks for `recording` runs once for each recording of the wires it is marked with:

    @pytest.mark.recordings("openai_chat")
    def test_every_recording_ends(recording):
        ...recording.read()...
"""

from __future__ import annotations

import gc
import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import attrs
import pytest
from hypothesis import HealthCheck, settings

from gestura.config import StreamingConfig, TransportName

settings.register_profile(
    "default", max_examples=50, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("more", settings.get_profile("default"), max_examples=200)
settings.register_profile("thorough", settings.get_profile("default"), max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

# What a developer has configured for gestura is nothing to its tests.
os.environ["XDG_CONFIG_HOME"] = str(Path(__file__).parent / "no-such-directory")
os.environ.pop("GESTURA_CONFIG", None)
os.environ.pop("GESTURA_REDIS_URL", None)

RECORDINGS = Path(__file__).parents[2] / "shared" / "recordings"
NO_RECORDINGS = "the recordings of real provider traffic are not at hand (../shared/recordings)"


@attrs.frozen
class Recording:
    """The body of one recorded provider stream.

    `wire` is its format ("openai_chat", …), `manifest` its entry in the manifest: provider, model, features, request…
    """

    path: Path
    wire: str
    manifest: dict[str, Any] = attrs.field(repr=False)

    def read(self) -> bytes:
        return self.path.read_bytes()


def load_recordings(*wires: str) -> list[Recording]:
    """The recordings of these wire formats (of all, where none is named); empty where they are not at hand."""
    manifest = RECORDINGS / "MANIFEST.json"
    entries = json.loads(manifest.read_bytes()) if manifest.exists() else []
    return [
        Recording(RECORDINGS / entry["file"], entry["wire"], entry)
        for entry in entries
        if entry["wire"] in wires or not wires
    ]


@pytest.fixture
def recordings() -> Callable[..., list[Recording]]:
    """`recordings("openai_chat")` is all of them at once; it skips the test where they are not at hand."""

    def load(*wires: str) -> list[Recording]:
        return load_recordings(*wires) or pytest.skip(NO_RECORDINGS)

    return load


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("gestura's own suite")
    group.addoption("--transport", choices=get_args(TransportName), help="the transport of those who name none")
    group.addoption("--fused", action="store_true", help="one actor for all stages")


def pytest_configure(config: pytest.Config) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell's background jobs ignore Ctrl-C, and so would the commands that tests interrupt.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    defaults = StreamingConfig.__init__.__kwdefaults__
    defaults["transport"] = config.getoption("--transport")
    defaults["fused"] = config.getoption("--fused")
    config.addinivalue_line("markers", "recordings(*wires): run once for each recording of these wire formats")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """The packages of the providers make objects by the hundred thousand, and no garbage: nobody looks for it."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int | None:
    """Two more than there are cores: a third of the suite's time is spent waiting for real clocks and processes."""
    return None if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ else (os.cpu_count() or 1) + 2


def pytest_collection_finish() -> None:
    """What collecting made lasts until the end: no full collection of garbage, and there are thousands, looks at it."""
    gc.collect()
    gc.freeze()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "recording" in metafunc.fixturenames:
        marker = metafunc.definition.get_closest_marker("recordings")
        found = load_recordings(*(marker.args if marker else ()))
        absent = pytest.param(None, marks=pytest.mark.skip(reason=NO_RECORDINGS), id="none")
        metafunc.parametrize("recording", [pytest.param(each, id=each.path.stem) for each in found] or [absent])
