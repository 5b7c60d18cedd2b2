"""Tools out of a user's Python file or module: every `@gestura.tool` in it."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from gestura.errors import ConfigError
from gestura.tools import FunctionTool

__all__ = ["load_tools"]


def load_tools(sources: Iterable[str]) -> tuple[FunctionTool, ...]:
    """The tools in all of `sources`, in their order. The code there runs, as an import runs it.

    Args:
        sources: each a path that ends in `.py`, or the name of a module, which is looked for in the current directory,
            too.

    Raises:
        ConfigError: there is no such file or module, it can't be imported, it has no tool, or two have the same name.
    """
    found: dict[str, FunctionTool] = {}
    for source in sources:
        module = _import(source)
        tools = [value for value in vars(module).values() if isinstance(value, FunctionTool)]
        if not tools:
            raise ConfigError(f"--tools {source}: there is no tool in it; mark functions with @gestura.tool")
        for tool in tools:
            if found.setdefault(tool.name, tool) is not tool:
                raise ConfigError(f"--tools {source}: {tool.name!r} is the name of another tool")
    return tuple(found.values())


def _import(source: str) -> ModuleType:
    path = Path(source)
    if path.suffix == ".py" and not path.is_file():
        raise ConfigError(f"--tools {source}: there is no such file")
    try:
        return _import_file(path) if path.suffix == ".py" else _import_module(source)
    except Exception as error:
        place = next((f", line {frame.lineno}" for frame in _frames(error) if Path(frame.filename) == path), "")
        raise ConfigError(f"--tools {source}{place}: {type(error).__name__}: {error}") from error


def _import_module(name: str) -> ModuleType:
    _look_in(Path.cwd())
    return importlib.import_module(name)


def _import_file(path: Path) -> ModuleType:
    _look_in(path.parent.resolve())
    name = f"chat_tools_{path.stem}"  # not the file's own, which may be that of a module in use
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # annotations are looked up there
    spec.loader.exec_module(module)
    return module


def _look_in(directory: Path) -> None:
    """Let a module import its neighbours."""
    if str(directory) not in sys.path:
        sys.path.append(str(directory))


def _frames(error: Exception) -> list[traceback.FrameSummary]:
    """Where it was raised, innermost first."""
    return traceback.extract_tb(error.__traceback__)[::-1]
