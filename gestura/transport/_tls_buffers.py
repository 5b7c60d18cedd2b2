"""asyncio's TLS, with one read buffer for all connections of a loop.

asyncio gives each TLS connection a buffer of 256 KiB, most of what a stream holds, and makes room for as much again
whenever it decrypts. But a loop that asks sockets whether they are ready reads and decrypts in one call, so its
connections can have their buffer in common.

The buffer is private, so it is changed only where it is found as it is known, which holds for Python 3.11 to 3.14.
"""

from __future__ import annotations

from typing import Any, Final

__all__ = ["share_tls_buffer"]

BUFFER_BYTES: Final = 64 * 1024
"""Four records of TLS (RFC 8446, section 5.1). A word of a model's is some hundred bytes."""

KNOWN: Final = ("max_size", "_ssl_buffer", "_ssl_buffer_view")


def share_tls_buffer(loop: Any) -> None:
    """Have the TLS connections that `loop` makes from now on read into one buffer.

    Args:
        loop: one of asyncio's, with a selector.
    """
    make = loop._make_ssl_transport  # noqa: SLF001
    buffer = bytearray(BUFFER_BYTES)
    view = memoryview(buffer)

    def make_without_buffer(*args: Any, **kwargs: Any) -> Any:
        transport = make(*args, **kwargs)
        protocol = getattr(transport, "_ssl_protocol", None)
        if all(hasattr(protocol, name) for name in KNOWN):
            vars(protocol).update(max_size=BUFFER_BYTES, _ssl_buffer=buffer, _ssl_buffer_view=view)
        return transport

    loop._make_ssl_transport = make_without_buffer  # noqa: SLF001
