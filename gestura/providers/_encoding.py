"""Request bodies as JSON, the same for every provider."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from gestura.errors import ConfigError, ErrorKind

__all__ = ["encoded"]


def encoded(body: Mapping[str, Any]) -> bytes:
    """`body` as compact JSON.

    Raises:
        ConfigError: a value that came from outside, such as `Request.extra`, is none that JSON has.

    >>> encoded({"model": "m", "stream": True})
    b'{"model":"m","stream":true}'
    """
    try:
        return msgspec.json.encode(body)
    except (TypeError, ValueError, RecursionError) as error:
        # An encoding error holds the text it failed on.
        reason = "half of a surrogate pair in a text" if isinstance(error, UnicodeEncodeError) else str(error)
        problem = f"the request can't be written as JSON: {reason}"
        raise ConfigError(problem, kind=ErrorKind.BAD_REQUEST) from None
