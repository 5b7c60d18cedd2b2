"""`gestura serve`: streams over HTTP, for browsers and other languages, in front of a relay.

    async with open_relay() as relay, open_server(relay, config, ServeSettings(port=0)) as server:
        ...  # POST to server.url + "/v1/streams"

Two interfaces lead to the same streams: gestura's own, whose events are chunks and can be taken up again anywhere
(`streams_api`), and OpenAI's, for the programs that speak it (`chat_api`). What translates between HTTP and gestura's
terms is pure; `exchange` and `server` are where asyncio and Trio meet.
"""

from gestura.serve_settings import ServeSettings
from gestura.serving.server import Server, open_server

__all__ = ["ServeSettings", "Server", "open_server"]
