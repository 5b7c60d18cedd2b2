"""An agent with tools, one of which needs your word.

    python agent.py "Tidy up this folder: which files can go?"

The model may list the folder and read files as it likes. Before it deletes one, you are asked; where you say no, it is
told so and goes on. Tools are plain functions: their types are what the model is held to, and what they raise it reads.
"""

from __future__ import annotations

import sys
from pathlib import Path

import trio

import gestura

FOLDER = Path.cwd()


@gestura.tool
async def list_files() -> dict[str, int]:
    """The files of the folder, and their sizes in bytes."""
    return {path.name: path.stat().st_size for path in sorted(FOLDER.iterdir()) if path.is_file()}


@gestura.tool(timeout=5)
async def read_file(name: str) -> str:
    """The beginning of a text file.

    Args:
        name: as `list_files` gives it.
    """
    return (await trio.Path(within(name)).read_text(encoding="utf-8"))[:4000]


@gestura.tool(confirm=True, risk_level="high")
async def delete_file(name: str) -> str:
    """Delete a file for good."""
    await trio.Path(within(name)).unlink()
    return f"{name} is gone"


def within(name: str) -> Path:
    """A file of the folder, and of no other, whatever the model writes."""
    path = (FOLDER / name).resolve()
    if path.parent != FOLDER.resolve():
        raise ValueError(f"{name} is not in the folder")
    return path


async def confirm(call: gestura.ToolConfirmationRequired) -> bool | gestura.Denied:
    """Ask whoever sits there, in a thread."""
    print(f"\n{call.tool_name} {call.tool_args}: allow it? [y/N] ", end="", flush=True)
    answer = await trio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True)
    return True if answer.strip().lower() == "y" else gestura.Denied("the user wants to keep it")


async def main(task: str) -> None:
    """Let it work, and show each step."""
    tools = [list_files, read_file, delete_file]
    limits = gestura.RunLimits(max_iterations=10)
    async with gestura.open_client() as client, client.run(task, tools=tools, limits=limits, confirm=confirm) as run:
        async for chunk in run:
            match chunk:
                case gestura.Text(text):
                    print(text, end="", flush=True)
                case gestura.ToolCallResult(name, success, output):
                    print(f"\n[{name}: {output if success else 'failed: ' + output}]")
                case gestura.ToolBlocked(tool_name, reason):
                    print(f"[{tool_name} not run: {reason}]")
                case gestura.Done():
                    print()
                case gestura.Error(message) | gestura.ContextOverflow(message):
                    sys.exit(f"\nIt did not get there: {message}")


if __name__ == "__main__":
    trio.run(main, sys.argv[1] if len(sys.argv) > 1 else sys.exit(__doc__))
