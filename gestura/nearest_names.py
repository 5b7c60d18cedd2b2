"""What to say of a name that is not known: the nearest one that is, else all that there are."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["did_you_mean", "nearest_name"]


def nearest_name(name: str, known: Iterable[str]) -> str:
    """The end of a sentence that refuses `name`.

    Args:
        name: what was found.
        known: what might have been meant, in the order in which to list it.

    >>> "there is no such setting" + nearest_name("modle", ["model", "kind"])
    "there is no such setting; did you mean 'model'?"
    >>> "there is no such setting" + nearest_name("tempo", ["model", "kind"])
    'there is no such setting; there are model, kind'
    """
    names = list(known)
    return did_you_mean(name, names) or f"; there are {', '.join(names)}"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """As `nearest_name`, for a sentence that lists what is known by itself: blank where nothing is near.

    >>> did_you_mean("restrat", ["end", "restart"])
    "; did you mean 'restart'?"
    """
    import difflib  # here, for it is needed where something is wrong

    matches = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {matches[0]!r}?" if matches else ""
