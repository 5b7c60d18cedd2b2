"""The command line: what it accepts, and how it refuses."""

import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs
import click
import pytest
from click.testing import CliRunner
from variables import NOTHING

from gestura.cli import main
from gestura.cli.demonstration.peers import Peer
from gestura.cli.demonstration.side_by_side import PEERS
from gestura.cli.demonstration.tables import actor_table
from gestura.cli.demonstration.tour import TOUR
from gestura.errors import ConfigError


def run(*arguments: str, **options: Any) -> Any:
    return CliRunner().invoke(main, arguments, **options)


def test_help_lists_the_commands() -> None:
    """Every command is found from `gestura --help`, and has a help of its own."""
    listed = run("--help").stdout

    for name in ("ask", "demo", "providers", "replay", "simulate"):
        assert name in listed
        assert f"gestura {name}" in run(name, "-h", prog_name="gestura").stdout


def every_command() -> dict[str, click.Command]:
    """By the words that call it."""
    context = click.Context(main)
    found: dict[str, click.Command] = {}
    for name in main.list_commands(context):
        found[name] = command = main.get_command(context, name)
        if isinstance(command, click.Group):
            found |= {f"{name} {inner}": each for inner, each in command.commands.items()}
    return found


@pytest.mark.parametrize("name", every_command())
def test_each_help_ends_with_examples_that_work(name: str) -> None:
    """Of the command itself, with options that it has."""
    told = run(*name.split(), "--help").stdout
    examples = [line.strip() for line in told.partition("Examples:")[2].splitlines() if "gestura" in line]
    called = [words.split() for line in examples for words in re.findall(r"gestura ([^|&<>)\"]+)", line)]
    own = [words for words in called if words[: len(name.split())] == name.split()]

    assert own
    for words in called:
        command = every_command()[" ".join(words[:2])] if words[0] == "config" else every_command()[words[0]]
        options = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= options


def test_the_exit_codes_are_told() -> None:
    """In the help of all, and in the documentation, in the same words."""
    told = run("--help").stdout.partition("Exit codes:")[2]
    page = (Path(__file__).parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")

    codes = dict(re.findall(r"^ +(\d+) +(.+)$", told, re.MULTILINE))
    assert ["0", "1", "2", "130"] == list(codes)
    assert all(f"| {code} | {words} |" in page.replace("`", '"') for code, words in codes.items())


@pytest.mark.parametrize(
    "name", ["ask", "chat", "config show", "config check", "inspect", "providers", "replay", "simulate"]
)
def test_what_a_program_may_read_comes_as_json(name: str) -> None:
    """On demand, from every command that tells something."""
    command = every_command()[name]

    assert "--json" in {option for parameter in command.params for option in parameter.opts}


@pytest.mark.parametrize(
    "arguments", [["ask"], ["ask", " "], ["ask", "--loudly"], ["simulate", "--port", "70000"], ["worker"], ["x"]]
)
def test_a_wrong_command_line_exits_with_2(arguments: list[str]) -> None:
    """An unknown command or option, a missing prompt, an impossible port: nothing is done."""
    assert 2 == run(*arguments, input="").exit_code


@pytest.mark.parametrize(
    "arguments",
    [
        ["ask", "--record", "{nowhere}/it.jsonl", "Hi"],
        ["chat", "--record", "{nowhere}/it.jsonl"],
        ["inspect", "{recording}", "-o", "{nowhere}/it.html"],
    ],
)
def test_a_file_that_can_not_be_written_exits_with_2(arguments: list[str], tmp_path: Path) -> None:
    """It says which file, and why; nobody is asked."""
    recording, nowhere = tmp_path / "it", tmp_path / "nowhere"
    recording.write_text('{"recording": 1, "gestura": "0"}\n')
    named = [argument.format(recording=recording, nowhere=nowhere) for argument in arguments]
    result = run(*named, input="Hi", env={**NOTHING, "OPENAI_API_KEY": "any", "OPENAI_BASE_URL": "http://127.0.0.1:1"})

    assert (2, "") == (result.exit_code, result.stdout)
    assert result.stderr.startswith(f"gestura: {nowhere}/it.")
    assert "No such file or directory" in result.stderr


def test_a_wrong_scenario_exits_with_2_and_says_why(tmp_path: Path) -> None:
    """The message names the file and what is wrong in it."""
    scenario = tmp_path / "mine.toml"
    scenario.write_text("stepz = []")
    result = run("simulate", str(scenario))

    assert (2, True, True) == (result.exit_code, "mine.toml" in result.stderr, "stepz" in result.stderr)


def test_a_port_in_use_exits_with_1() -> None:
    """It says which port can't be had."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = run("simulate", "--port", port)

    assert (1, True) == (result.exit_code, port in result.stderr)


@pytest.mark.parametrize(
    ("raised", "code", "said"), [(KeyboardInterrupt(), 130, "\n"), (ConfigError("bad\x1b"), 2, "gestura: bad␛\n")]
)
def test_what_a_command_raises_is_an_exit_code(raised: BaseException, code: int, said: str) -> None:
    """Ctrl-C anywhere is 130, a setting that is wrong is 2; neither shows a traceback."""

    @click.command()
    def fail() -> None:
        raise raised

    main.add_command(fail, "fail")
    try:
        result = run("fail")
    finally:
        del main.commands["fail"]

    assert code == result.exit_code
    assert result.stderr.endswith(said)


def test_a_command_needs_no_more_than_its_own_libraries() -> None:
    """`gestura providers` answers at once: it loads nothing that only other commands need."""
    program = (
        "import sys; from gestura.cli import main; main(['providers'], standalone_mode=False); print(*sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    others = {"aiohttp", "gestura.cli.ask", "gestura.relay", "markdown_it", "prompt_toolkit", "pytest", "rich.markdown"}

    assert "click" in result.stdout.split()
    assert set() == others & set(result.stdout.split())


def no_local_model() -> None:
    raise ConfigError("install it first")


def unpaced(peer: Peer) -> Peer:
    return attrs.evolve(
        peer, scenario=attrs.evolve(peer.scenario, sending=attrs.evolve(peer.scenario.sending, interval=0))
    )


def test_the_demo_shows_every_stop_and_what_the_actors_did(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a local model the tour is given alone; in a pipe it is plain text."""
    tour = [attrs.evolve(stop, peers=tuple(map(unpaced, stop.peers))) for stop in TOUR]
    monkeypatch.setattr("gestura.cli.demo.TOUR", tour)
    monkeypatch.setattr("gestura.cli.demo.BREATH", 0)
    monkeypatch.setattr("gestura.cli.demonstration.readers.BREATH", 0)
    monkeypatch.setattr("gestura.cli.demo.open_local_model", no_local_model)
    result = run("demo")

    assert (0, None) == (result.exit_code, result.exception)
    assert "Not on this machine: install it first\n" in result.stdout
    titles = [stop.title for stop in TOUR]
    assert titles == [line.rstrip("- ") for line in result.stdout.splitlines() if line.endswith("---")][1:]
    endings = [line.split()[1].rstrip(":") for line in result.stdout.splitlines() if line.startswith("-- ")]
    # The burst, a retry, a fallback and a hedge are answered; the pause is followed by its rest.
    assert [*["done"] * 7, "paused", "done", "cancelled", "error"] == endings
    assert "* attempt 1 of 3 failed, another in " in result.stdout
    assert "* openai failed; asking anthropic instead" in result.stdout
    # Of long chunks a mebibyte is read ahead; there are fewer than the channel has room for then.
    waiting = re.search(r"(\d+) wait for you", result.stdout)
    assert waiting
    assert 0 < int(waiting[1]) <= 256
    assert "\x1b" not in result.stdout


def test_the_demo_of_all_providers_gives_each_a_section_in_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same chunks come out of five wire formats; the table compares them."""
    peers = [attrs.evolve(unpaced(peer), scenario=attrs.evolve(unpaced(peer).scenario, faults=())) for peer in PEERS]
    monkeypatch.setattr("gestura.cli.demonstration.side_by_side.PEERS", peers)
    result = run("demo", "--all")

    assert (0, None) == (result.exit_code, result.exception)
    said = result.stdout.replace('":"', '": "')  # some providers write JSON without blanks
    assert 6 == said.count(
        "[thinking] It depends on the weather, and there is a tool for that.\n\n"
        'Let me look at the forecast.\n-> get_weather {"city": "Oslo"}\n-- tool_calls\n'
    )
    sections, _, table = said.partition("What came of it")
    for peer in PEERS:
        assert f"\n{peer.name}\n" in sections
        assert f"\n {peer.name} " in table
    assert "\x1b" not in result.stdout


def test_a_table_of_no_streams_is_empty() -> None:
    """The demo's table has a row for each actor seen, and one for the user's task."""
    assert 1 == actor_table([]).row_count


def test_a_worker_without_the_extra_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a command that any shell takes as it is."""
    monkeypatch.setitem(sys.modules, "gestura.relay.redis", None)
    result = run("worker", "--redis", "redis://localhost", env={**NOTHING, "OPENAI_API_KEY": "any"})

    assert 2 == result.exit_code
    assert result.stderr.startswith("gestura: streams in Redis need an extra: pip install 'gestura[relay]' (")
