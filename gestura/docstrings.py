"""What a docstring tells a model: what the thing is, and what its arguments are."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import attrs

__all__ = ["Docstring", "read_docstring"]


@attrs.frozen
class Docstring:
    """The words of a docstring.

    Args:
        description: all before the first section.
        arguments: what is said of each argument or attribute, by name.
    """

    description: str = ""
    arguments: Mapping[str, str] = attrs.field(factory=dict)


def read_docstring(documented: Any) -> Docstring:
    """Read the docstring of a function or a class, in the style of Google (`Args:`), NumPy, Sphinx or Epydoc.

    One that was not written counts as none: that of a base class, and the signature that `dataclass` puts there.
    """
    written = vars(documented).get("__doc__") if isinstance(documented, type) else documented.__doc__
    if not written or written.startswith(f"{documented.__name__}("):
        return Docstring()
    import docstring_parser  # here, for it takes as long to import as a tenth of gestura, and few use it

    parsed = docstring_parser.parse(inspect.cleandoc(written))
    return Docstring(
        description=(parsed.description or "").strip(),
        arguments={each.arg_name: " ".join(each.description.split()) for each in parsed.params if each.description},
    )
