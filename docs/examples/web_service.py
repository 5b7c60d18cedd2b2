"""A web service that relays an answer while it is written.

    pip install hypercorn
    python web_service.py 8080
    curl -N 'http://127.0.0.1:8080/ask?q=Why+is+the+sky+blue%3F'

Each chunk is a server-sent event, the ending last. A reader who leaves ends the stream, down to the socket of the
provider, who stops writing and billing. One who reads slowly slows the provider down, for nothing piles up on the way.

The application is plain ASGI, so that nothing hides what happens; any framework that runs on Trio does as well. For
answers that outlive a connection, and that several may follow, see the guide on HTTP services.
"""

from __future__ import annotations

import json
import sys
from urllib.parse import parse_qs

import trio
from hypercorn.config import Config
from hypercorn.trio import serve
from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, Scope

import gestura


async def main(port: int) -> None:
    """One client for all requests, and a server in its block."""
    async with gestura.open_client() as client:

        async def application(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
            if scope["type"] != "http":
                raise NotImplementedError  # how ASGI is told so; the server says that it goes on without
            question = parse_qs(scope["query_string"].decode()).get("q")
            if scope["path"] == "/ask" and question:
                await relay(client, question[0], receive, send)
            else:
                await send({"type": "http.response.start", "status": 404, "headers": []})
                await send({"type": "http.response.body", "body": b"GET /ask?q=...", "more_body": False})

        config = Config()
        config.bind = [f"127.0.0.1:{port}"]
        await serve(application, config)


async def relay(client: gestura.Client, question: str, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """Ask, and pass on what comes, for as long as somebody reads it."""
    headers = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store")]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(cancel_when_reader_leaves, receive, nursery.cancel_scope)
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        async with client.stream(question) as chunks:
            async for chunk in chunks:
                event = f"data: {json.dumps(gestura.to_json(chunk))}\n\n"
                await send({"type": "http.response.body", "body": event.encode(), "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        nursery.cancel_scope.cancel()


async def cancel_when_reader_leaves(receive: ASGIReceiveCallable, scope: trio.CancelScope) -> None:
    """Wait for the server to say that the connection is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


if __name__ == "__main__":
    trio.run(main, int(sys.argv[1]))
