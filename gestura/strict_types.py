"""A cattrs converter that takes no value for another: `"5"` is no number, `1` is no truth, and an unknown key is told.

cattrs by itself calls `int("5")`, which hides mistakes in files that people write and in what a network garbled.
"""

from __future__ import annotations

from typing import Any

import cattrs

__all__ = ["strict_converter"]


def strict_converter(*, unknown_keys: bool) -> cattrs.Converter:
    """A converter that reads `str`, `bool`, `int` and `float` exactly; an integer will do for a float.

    Args:
        unknown_keys: pass over keys that a class has no field for, instead of refusing them.
    """
    converter = cattrs.Converter(forbid_extra_keys=not unknown_keys)
    for kind in (str, bool, int):
        converter.register_structure_hook(kind, _exactly)
    converter.register_structure_hook(float, _number)
    return converter


def _exactly(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise TypeError(f"expected {kind.__name__}, found {type(value).__name__}")
    return value


def _number(value: Any, _kind: type) -> float:
    if type(value) not in (int, float):
        raise TypeError(f"expected a number, found {type(value).__name__}")
    return float(value)
