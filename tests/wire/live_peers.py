"""Model servers that nobody here wrote, each in a process of its own: started for a module's tests, asked, stopped.

`make live-peers` installs them below the environment that runs the tests; without them their tests are skipped.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

import gestura
from gestura.errors import ConfigError
from gestura.local import LocalModel, find_weights
from gestura.transport import HttpRequest
from gestura.transport._aiohttp import open_aiohttp_transport

PATIENCE = 60.0  # seconds for what takes one or two, as the servers may have to share the processor with many others
ONE_ATTEMPT = gestura.RetryPolicy(max_attempts=1)


def find_peer(name: str, program: str) -> str:
    """The path of a peer's program; skips the test where it is not installed."""
    home = Path(sys.prefix, "peers", name)
    if not (home / ".installed").exists():
        pytest.skip(f"{name} is not installed here: `make live-peers` does it")
    return str(home / program)


@contextmanager
def running(*command: str, env: Mapping[str, str] | None = None) -> Iterator[str]:
    """The line in which a server tells its address, once it listens. It runs for the length of the block."""
    with subprocess.Popen(
        command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        try:
            told = ""
            for line in process.stdout:
                told += line
                if "http://127.0.0.1:" in line:
                    break
            else:
                pytest.fail(f"{command[0]} ended before it listened: {told}")
            yield line.strip()
        finally:
            process.kill()


@asynccontextmanager
async def open_client(settings: gestura.ProviderSettings, **config: Any) -> AsyncIterator[gestura.Client]:
    """A client of one server, with a deadline on all that is done with it. It asks once unless told otherwise."""
    config = {"retry": ONE_ATTEMPT, "primary": "peer", "providers": {"peer": settings}} | config
    with trio.fail_after(PATIENCE):
        async with gestura.open_client(gestura.StreamingConfig(**config)) as client:
            yield client


async def read(client: gestura.Client, prompt: str | gestura.Request) -> list[gestura.StreamChunk]:
    """All chunks of an answer but those that may be dropped: news of the server, and of what the answer costs."""
    async with client.stream(prompt) as stream:
        return [chunk async for chunk in stream if chunk.delivery is gestura.Delivery.LOSSLESS]


def text_of(chunks: Iterable[gestura.StreamChunk]) -> str:
    """The text among these chunks."""
    return "".join(chunk.text for chunk in chunks if isinstance(chunk, gestura.Text))


async def fetch(url: str, body: Any = None, *, method: str = "GET", api_key: str = "") -> Any:
    """What a server tells of itself, in JSON."""
    headers = {"Authorization": f"Bearer {api_key}", "Content-Type": "application/json"}
    request = HttpRequest(method=method, url=url, headers=headers, body=json.dumps(body).encode() if body else b"")
    told = b""
    async with open_aiohttp_transport() as transport, transport.open(request, on_connect=lambda: None) as response:
        while piece := await response.receive_some():
            told += piece
    assert response.status < 300, told
    return json.loads(told)


SERVE_LOCAL_MODEL = """
import attrs, json, sys, trio, xllamacpp
from gestura.local import open_local_model

start, [template] = xllamacpp.Server, sys.argv[1:]

def start_with_template(params):
    params.chat_template = template
    return start(params)

async def serve():
    async with open_local_model() as model:
        print(json.dumps(attrs.asdict(model)), flush=True)
        await trio.to_thread.run_sync(sys.stdin.read)

if template:
    xllamacpp.Server = start_with_template
trio.run(serve)
"""


@contextmanager
def local_model(template: str = "") -> Iterator[LocalModel]:
    """llama.cpp's server as `gestura.local` starts it, with this chat template in place of the model's own."""
    pytest.importorskip("xllamacpp", reason="the local model's server is not installed", exc_type=ImportError)
    try:
        find_weights()
    except ConfigError as error:
        pytest.skip(str(error))
    with running(sys.executable, "-c", SERVE_LOCAL_MODEL, template) as line:
        yield LocalModel(**json.loads(line))


def provider_of(model: LocalModel, kind: str, **changes: Any) -> gestura.ProviderSettings:
    """How to ask the model in a wire format."""
    settings = {"kind": kind, "model": model.model, "api_key": model.api_key, "base_url": model.url}
    return gestura.ProviderSettings(**settings | changes)
