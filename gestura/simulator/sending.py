"""Obeying a plan: one action after another, on an aiohttp response.

The transport's buffer is kept empty: `bytes_sent` counts what the kernel has taken, so a client that stops reading
stops it. A reset discards what a kernel has still to send, so it waits until the client's kernel has all that came
before.
"""

from __future__ import annotations

import asyncio
import math
import socket
import struct
import sys
from collections.abc import Sequence

from aiohttp import web

from gestura.simulator.plan import Action, Ending, Head, Wait, Write
from gestura.simulator.seen import SeenRequest

if sys.platform == "linux":
    import fcntl
    import termios

__all__ = ["obey"]

LINGER_0 = struct.pack("ii", 1, 0)
"""`struct linger`: on, 0 seconds. Closing such a socket sends RST instead of FIN (socket(7))."""


async def obey(plan: Sequence[Action], request: web.Request, response: web.StreamResponse, seen: SeenRequest) -> None:
    """Do what `plan` says, counting into `seen`.

    Raises:
        ConnectionError: the client left.
    """
    transport = request.transport
    if transport is None:
        raise ConnectionResetError
    transport.set_write_buffer_limits(high=0)
    for action in plan:
        match action:
            case Head():
                await response.prepare(request)
            case Write(data):
                await response.write(data)
                await request.writer.drain()
                seen.bytes_sent += len(data)
            case Wait(seconds):
                await (asyncio.sleep(seconds) if seconds < math.inf else asyncio.Event().wait())
            case Ending.COMPLETE:
                await response.write_eof()
            case Ending.BREAK_HTTP:
                transport.close()
            case Ending.RESET:
                connection: socket.socket = transport.get_extra_info("socket")
                await _acknowledged(connection)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_0)
                transport.abort()


async def _acknowledged(connection: socket.socket) -> None:
    """Wait until the client's kernel has everything (SIOCOUTQ in tcp(7), which can only be polled).

    Other systems than Linux have no common way to ask; there a slow client may lose some of what came before a reset.
    """
    if sys.platform == "linux":
        while int.from_bytes(fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(4)), sys.byteorder):  # noqa: ASYNC110
            await asyncio.sleep(0.001)
