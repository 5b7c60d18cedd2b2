"""The exceptions: one tree, and the type says whose fault it is."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import pytest

from gestura import errors
from gestura.chunks import Error
from gestura.errors import ErrorKind, GesturaError

EXCEPTIONS = [
    named
    for name in errors.__all__
    if isinstance(named := getattr(errors, name), type) and issubclass(named, Exception)
]


@pytest.mark.parametrize("exception", EXCEPTIONS)
def test_one_tree(exception: type[Exception]) -> None:
    """`except GesturaError` catches whatever gestura raises."""
    assert issubclass(exception, GesturaError)


def test_a_limit_exceeded_is_the_providers_fault() -> None:
    """It is caught as a `ProtocolError`, has a kind of its own, and names the setting that would admit more."""
    error = errors.LimitExceeded("a line", "max_frame_bytes", 8_388_608)

    assert isinstance(error, errors.ProtocolError)
    assert (ErrorKind.LIMIT, "max_frame_bytes", 8_388_608) == (error.kind, error.setting, error.limit)
    assert str(error) == "a line exceeds 8,388,608 (max_frame_bytes)"


def test_a_protocol_error_keeps_what_was_made_before() -> None:
    """A stage that fails in the middle of a batch has somewhere to put the first half, which is empty until then."""
    assert errors.ProtocolError("not JSON").made == ()


def test_a_failed_answer_says_how_it_ended() -> None:
    """Whoever catches `StreamFailed` can look at the ending."""
    ending = Error("overloaded", kind=ErrorKind.OVERLOADED, retryable=True)

    assert errors.StreamFailed("overloaded", ending).ending is ending


@pytest.mark.parametrize(
    "error",
    [
        errors.ConfigError("no key", kind=ErrorKind.BAD_REQUEST),
        errors.InternalError("a bug"),
        errors.LimitExceeded("a line", "max_frame_bytes", 8),
        errors.ProtocolError("not JSON"),
        errors.StreamFailed("busy", Error("busy", kind=ErrorKind.OVERLOADED)),
        errors.TransportError("broken", retryable=False),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))])  # noqa: S301  # our own
def test_an_exception_can_be_sent_to_another_process(
    error: GesturaError, copied: Callable[[GesturaError], GesturaError]
) -> None:
    """Pickled or copied, it is the same exception with the same fields and notes."""
    error.add_note("in the worker")
    other = copied(error)

    assert (type(error), str(error), vars(error)) == (type(other), str(other), vars(other))


@pytest.mark.parametrize("kind", ErrorKind)
def test_kinds_are_written_in_snake_case(kind: ErrorKind) -> None:
    """A kind's value is its name in lower case: that is what JSON shows."""
    assert kind.name.lower() == kind.value
