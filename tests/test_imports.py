"""Imports point one way, and heavy or asyncio-flavoured packages stay in the rooms made for them.

Rooms are modules and subpackages of gestura. Imports for type checkers only are left out: nothing runs on them.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import gestura

PACKAGE = Path(gestura.__file__).parent
MODULES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}

# Lowest first. A room may import from its own and from any lower layer's rooms, not from its neighbours.
LAYERS = (
    (
        "chat_dialect",
        "delivery",
        "environment",
        "errors",
        "limits",
        "nearest_names",
        "secrecy",
        "strict_types",
        "toml_lines",
        "usage",
    ),
    (
        *("agent_chunks", "cancellation", "config", "config_problems", "docstrings", "parts", "partial_json"),
        *("pricing", "serve_settings"),
    ),
    ("messages", "request_options", "type_shapes"),
    ("json_schema", "structuring", "tool_schemas"),
    ("response_formats", "tools"),
    ("conversation_rules",),
    ("conversation",),
    ("endings",),
    ("agent_options", "chunks"),
    ("chunk_json",),
    ("answer", "conversation_json", "stages", "transport"),
    ("object_stream", "observing", "publishing", "recording"),
    ("opentelemetry", "providers", "recorder"),
    ("config_file", "transport.recording"),
    ("_actors",),
    ("_stream", "transport._aiohttp_protocol", "transport._quick_loop", "transport._tls_buffers"),
    ("transport._aiohttp_body",),
    ("transport._aiohttp_session",),
    ("transport._aiohttp_exchange",),
    ("transport._aiohttp_thread", "transport._loop"),
    ("transport._aiohttp",),
    ("_agent",),
    ("_client",),
    ("_open_client",),
    ("relay",),
    ("gestura",),  # the public names, in `__init__`
    ("local", "serving", "simulator"),
    ("testing",),
    ("cli",),
    ("__main__",),
)
LAYER_OF = {room: layer for layer, rooms in enumerate(LAYERS) for room in rooms}

# Which rooms may import what is not ours. What is not listed here is free.
ONLY_IN = {
    "trio": {
        "cancellation",
        "transport",
        "transport._aiohttp_exchange",
        "transport._aiohttp_thread",
        "transport._loop",
        "transport._quick_loop",
        "_actors",
        "_agent",
        "_stream",
        "_client",
        "_open_client",
        "cli",
        "relay",
    }
    | {"local", "serving", "simulator", "testing"},
    "asyncio": {
        "transport._aiohttp_body",
        "transport._aiohttp_exchange",
        "transport._aiohttp_session",
        "transport._aiohttp_thread",
        "transport._quick_loop",
        "simulator",
    },
    "aiohttp": {
        "transport._aiohttp_body",
        "transport._aiohttp_protocol",
        "transport._aiohttp_session",
        "serving",
        "simulator",
    },
    "trio_asyncio": {"transport._loop"},
    "click": {"cli"},
    "markdown_it": {"cli"},
    "prompt_toolkit": {"cli"},
    "rich": {"cli"},
    "coredis": {"relay"},
    "prometheus_client": {"serving"},
    "xllamacpp": {"local"},
    "genai_prices": {"pricing"},
    "opentelemetry": {"opentelemetry"},
}
# A pure room never waits, reads no clock, rolls no dice and opens nothing.
PURE = {"stages", "providers"}
IMPURE = {"os", "random", "selectors", "socket", "ssl", "subprocess", "threading", "time"}


def room_of(module: str) -> str:
    """The room with the longest name that `module` lies in: `gestura.stages.sse` is in `stages`."""
    inside = module.removeprefix("gestura").removeprefix(".")
    if not inside:
        return "gestura"
    return max(
        (room for room in LAYER_OF if inside == room or inside.startswith(f"{room}.")),
        key=len,
        default=inside.split(".")[0],
    )


@cache
def imports(module: str, *, at_import_time: bool = False) -> frozenset[str]:
    """The full names of the modules that `module` imports, anywhere in it or only when it is itself imported."""
    return frozenset(_found_imports(module, at_import_time))


def _found_imports(module: str, at_import_time: bool) -> Iterator[str]:
    pending: list[ast.AST] = [ast.parse(MODULES[module].read_text(encoding="utf-8"))]
    while pending:
        match pending.pop():
            case ast.If(test=ast.Name(id="TYPE_CHECKING"), orelse=orelse):
                pending += orelse
            case ast.FunctionDef() | ast.AsyncFunctionDef() if at_import_time:
                pass
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=source, level=0, names=names) if source:
                # `from gestura import chunks` imports a module, `from gestura.chunks import Text` a name of one.
                yield from (
                    f"{source}.{alias.name}" if f"{source}.{alias.name}" in MODULES else source for alias in names
                )
            case ast.ImportFrom():
                pytest.fail(f"{module}: relative import")
            case node:
                pending += ast.iter_child_nodes(node)


@pytest.mark.parametrize("module", MODULES)
def test_every_module_has_a_layer(module: str) -> None:
    """A new room is given its place in the table before it is used."""
    assert room_of(module) in LAYER_OF


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_down(module: str) -> None:
    """No module imports from a higher layer, or from another room of its own layer."""
    room = room_of(module)
    others = {room_of(name) for name in imports(module) if name.split(".")[0] == "gestura"} - {room}
    wrong = {other for other in others if LAYER_OF[other] >= LAYER_OF[room]}

    assert set() == wrong


@pytest.mark.parametrize("module", MODULES)
def test_foreign_packages_stay_in_their_rooms(module: str) -> None:
    """asyncio and aiohttp are imported by the transport and the simulator alone, click and rich by the commands."""
    room = room_of(module)
    tops = {name.split(".")[0] for name in imports(module)}
    wrong = {top for top in tops if room not in ONLY_IN.get(top, {room})}

    assert set() == wrong


@pytest.mark.parametrize("module", [module for module in MODULES if room_of(module) in PURE])
def test_stages_and_providers_are_pure(module: str) -> None:
    """A stage or a provider can be tested without an event loop, a clock or a network, for it imports none."""
    assert set() == {name.split(".")[0] for name in imports(module)} & (IMPURE | {"trio", "asyncio", "aiohttp"})


@pytest.mark.parametrize("module", MODULES)
def test_trio_asyncio_is_imported_in_functions_only(module: str) -> None:
    """trio-asyncio doesn't import on Python 3.14, where gestura must."""
    assert "trio_asyncio" not in {name.split(".")[0] for name in imports(module, at_import_time=True)}


def test_importing_gestura_is_light() -> None:
    """`import gestura` loads no command line, no simulator, no HTTP library, and nothing that few programs need."""
    foreign = (
        "aiohttp cattrs coredis trio_asyncio click prometheus_client prompt_toolkit rich xllamacpp genai_prices "
        "opentelemetry pydantic"
    )
    rooms = (
        *(
            "_agent",
            "cli",
            "config_file",
            "local",
            "recorder",
            "relay",
            "serving",
            "simulator",
            "structuring",
            "testing",
            "tools",
        ),
        *("transport._aiohttp", "transport.recording"),
    )
    heavy = {*foreign.split(), *(f"gestura.{room}" for room in rooms)}
    program = "import sys, gestura; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.split()

    assert "gestura" in loaded
    assert set() == heavy & set(loaded)


def test_every_public_name_is_there_when_it_is_asked_for() -> None:
    """Those that come with their first use, too; and no others."""
    for name in gestura.__all__:
        assert getattr(gestura, name) is not None

    assert set(gestura.__all__) <= set(dir(gestura))
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = gestura.nonsense  # type: ignore[attr-defined]


def test_a_type_checker_is_told_of_every_name_that_comes_later() -> None:
    """What is imported for type checkers alone is what `gestura.__getattr__` finds, and where."""
    tree = ast.parse(MODULES["gestura"].read_text(encoding="utf-8"))
    [told] = [node for node in tree.body if isinstance(node, ast.If) and isinstance(node.test, ast.Name)]
    expected = {
        alias.name: node.module for node in told.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }

    assert expected == gestura._LATER
