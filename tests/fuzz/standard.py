"""The WHATWG standard's own steps for an event stream (HTML, 9.2.6), on all the bytes at once: slow, and plainly right.

Two deviations of ours, both on purpose: ids and retry times are not kept, and a block that the end of the input left
without its blank line is given, marked as unterminated, instead of being thrown away.
"""

from __future__ import annotations

import re

from gestura.stages.deltas import Frame

__all__ = ["as_the_standard_says"]


def as_the_standard_says(wire: bytes) -> list[Frame]:
    """The events in `wire`, and what the end cut off."""
    lines = re.split("\r\n|\r|\n", wire.decode("utf-8", "replace").removeprefix("\ufeff"))
    frames, data, event = [], "", ""
    for number, line in enumerate(lines, start=1):
        at_end = number == len(lines)
        if line and not line.startswith(":"):
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if name == "data":
                data += value + "\n"
            elif name == "event":
                event = value
        if at_end or not line:
            frames += [Frame(data[:-1], event, terminated=not at_end)] if data else []
            data, event = "", ""
    return frames
