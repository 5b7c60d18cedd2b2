"""The provider's own events beside what is made of them: a wire decoder with `ProviderEvent`s between its deltas.

Contract: each frame is told before the deltas it led to, whatever it holds, and the deltas are the decoder's, unchanged
and in their order. Frames are fed one by one for that, which costs a call each; streams without `raw=True` have no such
stage.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gestura.chunks import ProviderEvent
from gestura.errors import ProtocolError
from gestura.stages import Stage
from gestura.stages.deltas import Delta, Frame

__all__ = ["RawEvents"]


class RawEvents:
    """Any wire decoder, told frame by frame.

    Args:
        decoder: what makes deltas of them.
        hide: takes secrets out of what is shown of a frame; what is decoded keeps them.
    """

    def __init__(self, decoder: Stage[Frame, Delta], hide: Callable[[str], str] = str) -> None:
        self._decoder = decoder
        self._hide = hide

    def feed(self, batch: Sequence[Frame]) -> list[Delta]:
        out: list[Delta] = []
        for frame in batch:
            out.append(ProviderEvent(frame.event, self._hide(frame.data)))
            try:
                out += self._decoder.feed((frame,))
            except ProtocolError as error:
                error.made = (*out, *error.made)
                raise
        return out

    def close(self) -> Sequence[Delta]:
        return self._decoder.close()
