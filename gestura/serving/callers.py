"""Who asks: callers known by their keys, what is theirs, and how much of it they may have.

A stream belongs to the caller whose name its id begins with: `alice.k3J…`. The service makes all ids, so nobody can get
at another's stream, and every service over the same Redis knows whose it is without asking anybody. Where there are no
keys, there is one caller, and all is theirs.

Limits are counted here, in one process: a caller who may begin ten streams may begin ten at each of two services.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import secrets
from collections import defaultdict, deque
from collections.abc import Mapping
from typing import Final

from gestura.serving.refused import Refused

__all__ = ["ANYONE", "Callers", "Rates", "no_such_stream"]

ANYONE: Final = "anyone"
"""The name of every caller where there are no keys."""

MINUTE: Final = 60.0


class Callers:
    """Knows callers by their keys.

    Args:
        keys: by the caller's name. None lets everybody in.
    """

    def __init__(self, keys: Mapping[str, str]) -> None:
        self._digests = {name: _digest(key) for name, key in keys.items()}

    def who(self, authorization: str | None) -> str:
        """The caller whose key it is. Takes as long for a wrong key as for a right one, whoever's.

        Args:
            authorization: the header: `Bearer KEY`.

        Raises:
            Refused: it is nobody's.
        """
        if not self._digests:
            return ANYONE
        scheme, _, key = (authorization or "").partition(" ")
        presented = _digest(key.strip() if scheme.lower() == "bearer" else "")
        found = None
        for name, digest in self._digests.items():
            if hmac.compare_digest(presented, digest):
                found = name
        if found is None:
            raise Refused(
                "a key is needed, as Authorization: Bearer KEY" if not key else "this key is nobody's",
                status=401,
                code="invalid_api_key",
            )
        return found

    def new_stream(self, caller: str) -> str:
        """An id that nobody has, and nobody can guess."""
        return f"{caller}.{secrets.token_urlsafe(16)}"

    def check_owner(self, caller: str, stream_id: str) -> None:
        """See to it that the stream is the caller's. One of somebody else's is not told from none.

        Raises:
            Refused: it is not.
        """
        if self._digests and not stream_id.startswith(f"{caller}."):
            raise no_such_stream()


def no_such_stream() -> Refused:
    """The answer for a stream that is not there, has expired or is somebody else's."""
    return Refused("there is no such stream, or it has expired", status=404, code="unknown_stream")


def _digest(key: str) -> bytes:
    """All of one length, so that comparing them tells nothing of the key's."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


class Rates:
    """How often each caller has asked in the last minute.

    Args:
        per_minute: how often one may; `None` is as often as they like.
    """

    def __init__(self, per_minute: int | None) -> None:
        self._per_minute = per_minute
        self._asked: defaultdict[str, deque[float]] = defaultdict(deque)

    def count(self, caller: str, now: float) -> None:
        """The caller asks now, in seconds of any clock that does not go back.

        Raises:
            Refused: too often. Then it does not count.
        """
        if self._per_minute is None:
            return
        asked = self._asked[caller]
        while asked and asked[0] <= now - MINUTE:
            asked.popleft()
        if len(asked) >= self._per_minute:
            raise Refused(
                f"at most {self._per_minute} requests in a minute (requests_per_minute)",
                status=429,
                code="rate_limit_exceeded",
                retry_after=math.ceil(asked[0] + MINUTE - now),
            )
        asked.append(now)
