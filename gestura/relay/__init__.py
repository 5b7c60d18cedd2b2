"""Streams that outlive a connection, a process, a machine: published into a log, and followed from anywhere.

    async with gestura.open_client() as client, open_relay("redis://localhost") as relay:
        async with client.stream("Why is the sky blue?", publish=relay, stream_id="sky") as chunks: ...

and on another machine

    async with open_relay("redis://localhost") as relay, relay.follow("sky") as chunks:
        async for chunk in chunks: ...

See docs/relay.md.
"""

from gestura.relay.following import Following
from gestura.relay.log import (
    Log,
    LogUnreachable,
    Position,
    PublicationLost,
    RelayError,
    StreamExists,
    StreamState,
    UnknownStream,
)
from gestura.relay.opening import open_relay
from gestura.relay.publication import Publication
from gestura.relay.relay import Relay
from gestura.relay.settings import RelaySettings
from gestura.relay.work import WorkQueue
from gestura.relay.worker import Worker

__all__ = [
    "Following",
    "Log",
    "LogUnreachable",
    "Position",
    "Publication",
    "PublicationLost",
    "Relay",
    "RelayError",
    "RelaySettings",
    "StreamExists",
    "StreamState",
    "UnknownStream",
    "WorkQueue",
    "Worker",
    "open_relay",
]
