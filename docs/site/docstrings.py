"""What Griffe, which only reads, is to know of our classes and docstrings so that the reference shows what is meant.

attrs writes the `__init__` of most classes: here it is told, so that the reference shows how a class is called, and
that an argument in a docstring is found which the class doesn't have. A function that `asynccontextmanager` decorates
gives a context manager. Doctests and examples are code: nothing else fences them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import griffe

__all__ = ["Docstrings"]

MAKERS: Final = ("attrs.frozen", "attrs.define")
EXAMPLE: Final = re.compile(r"^( *)Example:\n((?:\1 +.*\n|\n)+)", re.MULTILINE)
DOCTEST: Final = re.compile(r"^( *)>>> .*(?:\n\1(?! *$).+)*", re.MULTILINE)


class Docstrings(griffe.Extension):
    """Completes a package once all of its modules are read."""

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        for thing in _all_of(pkg):
            if thing.docstring is not None:
                thing.docstring.value = _fenced(thing.docstring.value)
            if isinstance(thing, griffe.Function):
                _tell_context_manager(thing)
            if isinstance(thing, griffe.Class) and _maker(thing) is not None and "__init__" not in thing.members:
                thing.set_member("__init__", _init_of(thing))


def _all_of(scope: griffe.Object) -> Iterator[griffe.Object]:
    yield scope
    for member in list(scope.members.values()):
        if isinstance(member, griffe.Object):
            yield from _all_of(member)


def _fenced(text: str) -> str:
    text = DOCTEST.sub(r"\1```pycon\n\g<0>\n\1```", text)
    return EXAMPLE.sub(_fenced_example, text + "\n")


def _fenced_example(example: re.Match[str]) -> str:
    indent, code = example.groups()
    return f"{indent}Example:\n{indent}    ```python\n{code.rstrip()}\n{indent}    ```\n"


def _tell_context_manager(function: griffe.Function) -> None:
    for kind in ("asynccontextmanager", "contextmanager"):
        if any(one.callable_path == f"contextlib.{kind}" for one in function.decorators):
            name = "AbstractAsyncContextManager" if kind.startswith("async") else "AbstractContextManager"
            function.labels.discard("async")
            if isinstance(function.returns, griffe.ExprSubscript):
                function.returns = griffe.ExprSubscript(griffe.ExprName(name), function.returns.slice)


def _maker(class_: griffe.Class) -> griffe.Decorator | None:
    return next((one for one in class_.decorators if one.callable_path in MAKERS), None)


def _init_of(class_: griffe.Class) -> griffe.Function:
    parameters = {parameter.name: parameter for parameter in _parameters(class_)}
    ordered = sorted(parameters.values(), key=lambda one: one.kind is griffe.ParameterKind.keyword_only)
    this = griffe.Parameter("self", kind=griffe.ParameterKind.positional_or_keyword)
    return griffe.Function(
        "__init__", parameters=griffe.Parameters(this, *ordered), returns="None", lineno=class_.lineno, parent=class_
    )


def _parameters(class_: griffe.Class) -> list[griffe.Parameter]:
    inherited = [one for base in reversed(class_.mro()) if _maker(base) is not None for one in _own(base)]
    return [*inherited, *_own(class_)]


def _own(class_: griffe.Class) -> list[griffe.Parameter]:
    maker = _maker(class_)
    all_keyword = maker is not None and "kw_only=True" in str(maker.value)
    return [
        _parameter(member, all_keyword=all_keyword)
        for member in class_.members.values()
        if isinstance(member, griffe.Attribute)
        and member.annotation is not None
        and "instance-attribute" in member.labels
        and "property" not in member.labels
        and "init=False" not in str(member.value or "")
    ]


def _parameter(member: griffe.Attribute, *, all_keyword: bool) -> griffe.Parameter:
    value = str(member.value) if member.value is not None else None
    is_keyword = all_keyword or "kw_only=True" in (value or "")
    kind = griffe.ParameterKind.keyword_only if is_keyword else griffe.ParameterKind.positional_or_keyword
    return griffe.Parameter(member.name.lstrip("_"), annotation=member.annotation, default=_default(member), kind=kind)


def _default(member: griffe.Attribute) -> str | griffe.Expr | None:
    """The default, also where `attrs.field` has it among its arguments; `...` for what a factory makes."""
    value = member.value
    if not isinstance(value, griffe.ExprCall) or value.canonical_path != "attrs.field":
        return value
    told = {one.name: one.value for one in value.arguments if isinstance(one, griffe.ExprKeyword)}
    return told.get("default", "..." if "factory" in told else None)
