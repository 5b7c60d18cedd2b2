"""Help for the tests of those who use gestura, or extend it."""

from __future__ import annotations

from gestura.testing.stages import check_stage, merged, run_inline, split

__all__ = ["check_stage", "merged", "run_inline", "split"]
