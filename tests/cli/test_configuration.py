"""`gestura config` shows where each value comes from and no secret, begins a file, and asks whether all works."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from variables import NOTHING

from gestura.chunks import Text
from gestura.cli import main
from gestura.config_file import load_config
from gestura.simulator import Scenario
from gestura.simulator.opening import simulator_in_thread

KEY = "sk-very-secret"


def run(*arguments: str, **environment: str) -> Any:
    return CliRunner().invoke(main, ["config", *arguments], env={**NOTHING, **environment})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "somewhere" / "config.toml"


def test_show_tells_each_value_with_its_origin_and_no_secret(tmp_path: Path):
    """What the file, a variable and nobody said; keys and headers are hidden."""
    file = tmp_path / "config.toml"
    file.write_text(f'[openai]\nheaders = {{ a = "{KEY}" }}\n[timeouts]\nidle = 60\n')
    result = run("show", "--config", str(file), "--all", "--json", OPENAI_API_KEY=KEY)
    told = {line["setting"]: (line["value"], line["origin"]) for line in map(json.loads, result.stdout.splitlines())}

    assert ("(set, not shown)", "OPENAI_API_KEY") == told["openai.api_key"]
    assert ("(set, not shown)", f"{file}:2") == told["openai.headers"]
    assert (60.0, f"{file}:4") == told["timeouts.idle"]
    assert (3, "default") == told["retry.max_attempts"]
    assert (False, "default") == told["openai.dialect.cache_control"]
    assert KEY not in result.output + run("show", "--config", str(file), OPENAI_API_KEY=KEY).output


def test_show_leaves_out_what_nobody_has_set(tmp_path: Path):
    """But for the primary provider; it says how many values those are, and what shows them."""
    file = tmp_path / "config.toml"
    file.write_text("[timeouts]\nidle = 60\n")
    set_values, all_values = (
        run("show", "--config", str(file), *options).stdout.splitlines() for options in ([], ["--all"])
    )
    as_json = run("show", "--config", str(file), "--json").stdout.splitlines()

    assert ["primary", "timeouts.idle"] == [json.loads(line)["setting"] for line in as_json]
    assert [f"# file: {file}", 'primary = "openai"                       # default', "", "[timeouts]"] == set_values[:4]
    left_out = sum(" # " in line for line in all_values) - 2
    assert f"# {left_out} values that nobody has set are left out: --all shows them" == set_values[-1]


def test_init_begins_a_file_that_says_nothing_yet(path: Path):
    """It can be read as it is, nobody else can read it, and it is not written over."""
    first, second = run("init", "--config", str(path)), run("init", "--config", str(path))

    assert (0, f"Wrote {path}\n") == (first.exit_code, first.stdout)
    assert load_config(path, {}) == load_config(environment={})
    assert 0o600 == path.stat().st_mode & 0o777
    assert (2, True) == (second.exit_code, f"{path} is there already" in second.stderr)


def test_what_init_writes_holds_once_it_is_uncommented(path: Path):
    """Every setting that the file shows is one."""
    run("init", "--config", str(path))
    lines = path.read_text().splitlines()
    settings = [line.removeprefix("# ") for line in lines if line.startswith(("# [", "# ")) and _is_setting(line)]
    path.write_text("\n".join(settings))
    config = load_config(path, {"OPENAI_API_KEY": KEY, "ANTHROPIC_API_KEY": KEY, "GROQ_API_KEY": KEY})

    assert {"openai", "anthropic", "groq", "ollama"} == config.providers.keys()


def _is_setting(line: str) -> bool:
    return line.startswith("# [") or " = " in line


@pytest.mark.parametrize(
    ("path_of_url", "exit_code", "said"), [("", 0, "mine: ok, hello in "), ("/nowhere", 1, "mine: ")]
)
def test_check_asks_each_provider_for_a_word(path_of_url: str, exit_code: int, said: str, tmp_path: Path):
    """One line for each that is configured; it fails where one does."""
    file = tmp_path / "config.toml"
    with simulator_in_thread([Scenario(model="hello", steps=(Text("ok"),))]) as simulator:
        url = simulator.url + path_of_url
        file.write_text(f'[providers.mine]\nkind = "openai_chat"\nmodel = "hello"\nbase_url = "{url}"\n')
        words = run("check", "--config", str(file))
        as_json = run("check", "--json", "--config", str(file))

    assert (exit_code, True) == (words.exit_code, words.stdout.startswith(said))
    assert 1 == len(words.stdout.splitlines())
    finding = json.loads(as_json.stdout)
    assert (exit_code, "mine", exit_code == 0) == (as_json.exit_code, finding["provider"], finding["ok"])
    assert ("hello" if finding["ok"] else None) == finding.get("model")


def test_check_has_nothing_to_ask_where_nobody_is_configured(tmp_path: Path):
    """It says so, and how to find out what to set."""
    file = tmp_path / "config.toml"
    file.write_text("")
    result = run("check", "--config", str(file))

    assert (2, True) == (result.exit_code, "`gestura providers` tells what to set" in result.stderr)


def test_show_tells_of_a_variable_that_should_hold_a_key(tmp_path: Path):
    """Which it is, and whether it is set; also where the provider can't be asked for want of it."""
    file = tmp_path / "config.toml"
    file.write_text('[openai]\napi_key_env = "MY_KEY"\n')
    without, with_key = run("show", "--config", str(file)), run("show", "--config", str(file), MY_KEY=KEY)

    assert f'api_key_env = "MY_KEY"                   # {file}:2; the variable is not set' in without.stdout
    assert f'api_key_env = "MY_KEY"                   # {file}:2; the variable is set' in with_key.stdout
    assert KEY not in with_key.output


def test_show_tells_of_a_kind_that_no_command_speaks(tmp_path: Path):
    """Beside it, with the nearest one that there is; a kind that there is goes without a word."""
    file = tmp_path / "config.toml"
    file.write_text(
        '[providers.a]\nkind = "openai-chat"\nmodel = "m"\n[providers.b]\nkind = "openai_chat"\nmodel = "m"\n'
    )
    result, as_json = run("show", "--config", str(file)), run("show", "--config", str(file), "--json")
    problems = {line["setting"]: line.get("problem") for line in map(json.loads, as_json.stdout.splitlines())}
    problem = "'openai-chat' is no wire format; did you mean 'openai_chat'?"

    assert f'kind = "openai-chat"                     # {file}:2; {problem}\n' in result.stdout
    assert f'kind = "openai_chat"                     # {file}:5\n' in result.stdout
    assert (problem, None, None) == tuple(problems[f"providers.{each}"] for each in ("a.kind", "b.kind", "a.model"))


def test_check_tells_of_a_provider_that_can_not_be_asked(tmp_path: Path):
    """With the place of what is wrong with it."""
    file = tmp_path / "config.toml"
    file.write_text('[openai]\napi_key_env = "MY_KEY"\n[providers.a]\nkind = "openai-chat"\nmodel = "m"\n')
    result = run("check", "--config", str(file), "--json")
    problems = {line["provider"]: line["problem"] for line in map(json.loads, result.stdout.splitlines())}

    assert 1 == result.exit_code
    assert f"{file}:2: openai.api_key_env: the variable MY_KEY is not set" in problems["openai"]
    kind = f"{file}:4: providers.a.kind: 'openai-chat' is no wire format; did you mean 'openai_chat'?"
    assert kind in problems["a"]
