"""Hedging: providers that start one after another until one has something to say; the first that does wins.

Each runs as a leg with an outlet of its own. The first content that reaches such an outlet claims the race: the other
legs are cancelled, which closes their sockets, and nothing of theirs is ever seen.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

import attrs
import trio

from gestura._actors.forwarder import Deliver
from gestura.chunks import Ending, ProviderEvent, StreamChunk, Status, TokenUsageUpdate
