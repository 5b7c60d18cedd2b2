"""What all agree on who keep secrets out of what is told: what counts as one, and what stands in its place."""

from __future__ import annotations

from typing import Final

__all__ = ["HIDDEN", "SHORTEST_SECRET"]

HIDDEN: Final = "[hidden]"

SHORTEST_SECRET: Final = 8
"""Characters. What is shorter keeps no secret, and stands in many an innocent word."""
