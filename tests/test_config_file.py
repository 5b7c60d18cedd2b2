"""The configuration file, the environment over it, and what is said of mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from gestura.chat_dialect import ChatDialect
from gestura.config import AfterOutput, ProviderSettings, RetryPolicy, StreamingConfig, Timeouts
from gestura.config_file import default_path, load_config, read_config
from gestura.errors import ConfigError

KEY = "sk-canary-0123456789"

WHOLE = """\
primary = "anthropic"
fallback = ["groq", "openai"]
after_output = "continue"
hedge_after = 2
transport = "thread"
fused = true

[anthropic]
model = "claude-x"
api_key = "in-the-file"

[openai]
model = "from-the-file"

[providers.groq]
kind = "openai_chat"
model = "llama"
base_url = "https://example.com/v1"
api_key_env = "GROQ_API_KEY"
headers = { "X-Title" = "test" }

[retry]
max_attempts = 5

[timeouts]
idle = 60
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def test_a_file_says_all_that_a_configuration_has(path: Path):
    """Sections for the providers that the environment knows, others below `providers`, with keys from variables."""
    path.write_text(WHOLE)
    config = load_config(path, {"GROQ_API_KEY": KEY, "OPENAI_API_KEY": "o"})

    assert ("anthropic", ("groq", "openai")) == (config.primary, config.fallback)
    assert (AfterOutput.CONTINUE, 2.0, "thread") == (config.after_output, config.hedge_after, config.transport)
    assert config.fused
    assert (RetryPolicy(max_attempts=5), Timeouts(idle=60.0)) == (config.retry, config.timeouts)
    assert ProviderSettings(kind="anthropic", model="claude-x", api_key="in-the-file") == config.providers["anthropic"]
    assert config.providers["groq"] == ProviderSettings(
        kind="openai_chat",
        model="llama",
        base_url="https://example.com/v1",
        api_key=KEY,
        headers={"X-Title": "test"},
    )


def test_the_environment_goes_before_the_file(path: Path):
    """A variable that is set changes what the file says; one that is blank does not."""
    path.write_text(WHOLE)
    config = load_config(path, {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_MODEL": " ", "OPENAI_API_KEY": "o"})

    assert ("claude-x", KEY) == (config.providers["anthropic"].model, config.providers["anthropic"].api_key)
    assert "from-the-file" == config.providers["openai"].model


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"OPENAI_API_KEY": KEY},
        {"GEMINI_API_KEY": KEY, "GEMINI_MODEL": "g", "OLLAMA_HOST": "http://127.0.0.1:1"},
        {"XAI_API_KEY": KEY, "XAI_BASE_URL": "https://example.com"},
    ],
)
def test_without_a_file_the_environment_says_it_all(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch):
    """The same as `StreamingConfig.from_environment`."""
    monkeypatch.setattr("gestura.config_file.default_path", lambda: Path("nowhere") / "config.toml")

    assert StreamingConfig.from_environment(environment) == load_config(environment=environment)


def test_a_variable_names_the_file(path: Path):
    """`GESTURA_CONFIG` goes before the place in the user's directory, and a file that is named has to be there."""
    path.write_text("[timeouts]\nidle = 7")

    assert 7.0 == load_config(environment={"GESTURA_CONFIG": str(path)}).timeouts.idle
    with pytest.raises(ConfigError, match=r"nowhere\.toml: there is no such file"):
        load_config(environment={"GESTURA_CONFIG": "nowhere.toml"})


def test_the_file_is_in_the_users_directory_for_gestura():
    """Where the platform puts such files."""
    assert ("gestura", "config.toml") == default_path().parts[-2:]


@pytest.mark.parametrize(
    ("name", "origin"),
    [
        ("openai.model", "OPENAI_MODEL"),
        ("openai.api_key", "OPENAI_API_KEY"),
        ("anthropic.model", "{path}:9"),
        ("providers.groq.api_key", "GROQ_API_KEY"),
        ("providers.groq.base_url", "{path}:18"),
        ("retry.max_attempts", "{path}:23"),
        ("retry.jitter", "default"),
        ("hedge_after", "{path}:4"),
        ("limits.max_frame_bytes", "default"),
    ],
)
def test_each_value_tells_where_it_comes_from(name: str, origin: str, path: Path):
    """The line of the file, the variable, or that nobody said anything."""
    path.write_text(WHOLE)
    loaded = read_config(path, {"OPENAI_API_KEY": KEY, "OPENAI_MODEL": "gpt", "GROQ_API_KEY": KEY})

    assert origin.format(path=path) == loaded.origins[name]


def test_a_dialect_is_a_table_of_its_own(path: Path):
    """Each of its values tells where it comes from."""
    path.write_text('[openai.dialect]\ncache_control = true\nfield_names = { seed = "random_seed" }\n')
    loaded = read_config(path, {"OPENAI_API_KEY": KEY})

    dialect = ChatDialect(cache_control=True, field_names={"seed": "random_seed"})
    assert dialect == loaded.config.providers["openai"].dialect
    assert f"{path}:2" == loaded.origins["openai.dialect.cache_control"]
    assert "default" == loaded.origins["openai.dialect.short_call_ids"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            'primary = "opnai"',
            "1: primary: 'opnai' is no provider; did you mean 'openai'? (a provider of your own needs a section "
            "[providers.opnai])",
        ),
        (
            'fallback = ["opnai"]',
            "1: fallback: 'opnai' is no provider; did you mean 'openai'? (a provider of your own needs a section "
            "[providers.opnai])",
        ),
        ('fallback = "openai"', "1: fallback: expected a list of names of providers"),
        ("primary = 5", "1: primary: expected str, found int"),
        ('after_output = "go on"', "1: after_output: expected one of end, restart, continue, found 'go on'"),
        (
            'after_output = "restrat"',
            "1: after_output: expected one of end, restart, continue, found 'restrat'; did you mean 'restart'?",
        ),
        ('transport = "curl"', "1: transport: expected one of trio_asyncio, thread, found 'curl'"),
        ('hedge_after = "soon"', "1: hedge_after: expected a number, found str"),
        ('\n[openai]\nmodle = "x"', "3: openai.modle: there is no such setting; did you mean 'model'?"),
        ("[opnai]", "1: opnai: there is no such setting; did you mean 'openai'?"),
        (
            '[groq]\nkind = "openai_chat"\nmodel = "m"',
            "1: groq: providers of your own stand below `providers`: [providers.groq]",
        ),
        (
            '[openai]\nbase_url = "localhost:8391"',
            "2: openai.base_url: expected http(s)://host[:port][/path], found scheme 'localhost'",
        ),
        ("openai = 1", "1: openai: expected a table, found int"),
        ("[openai]\nthink_tags = [1]", "2: openai.think_tags.0: expected str, found int"),
        ("[openai]\ndialect = 1", "2: openai.dialect: expected a table, found int"),
        (
            "[openai.dialect]\ncache_controls = true",
            "2: openai.dialect.cache_controls: there is no such setting; did you mean 'cache_control'?",
        ),
        (
            '[openai.dialect]\nreasoning_asked_in = "x"',
            "2: openai.dialect.reasoning_asked_in: expected one of reasoning_effort, reasoning, thinking, found 'x'",
        ),
        ("[retry]\nmax_attempts = true", "2: retry.max_attempts: expected int, found bool"),
        ("[retry]\nmax_attempts = 0", "2: retry.max_attempts: expected at least 1, found 0"),
        ('[timeouts]\nidle = "1 minute"', "2: timeouts.idle: expected a number, found str"),
        ("limits = 3", "1: limits: expected a table, found int"),
        ("providers = 3", "1: providers: expected tables, one for each provider"),
        ("[providers]\ngroq = 1", "2: providers.groq: expected a table, found int"),
        ('[providers.groq]\nkind = "openai_chat"', "1: providers.groq: model is missing"),
        (
            f'[openai]\napi_key = "{KEY}"\napi_key_env = "A"',
            "3: openai.api_key_env: api_key is there, too: one of them is enough",
        ),
        ("[openai]\napi_key_env = 1", "2: openai.api_key_env: expected the name of a variable, found int"),
        (
            f'[openai]\napi_key = "{KEY} \\n"',
            "2: openai.api_key: a key is printable ASCII without blanks around it (the value is not shown here)",
        ),
        ("[retry]\njitter = 2", "2: retry.jitter: expected at most 1, found 2.0"),
        ('primary = "openai\n', "1: no TOML: Illegal character '\\n'"),
        ("primary =", " no TOML: Invalid value (at end of document)"),
    ],
)
def test_a_mistake_is_told_with_its_place(text: str, problem: str, path: Path):
    """The file, the line, the path, what was found or expected, and the nearest name; never a key."""
    path.write_text(text)

    with pytest.raises(ConfigError) as caught:
        load_config(path, {})

    assert f"{path}:{problem}" == str(caught.value)
    assert KEY not in str(caught.value)


def test_a_variable_that_is_not_set_is_told_to_who_asks_that_provider(path: Path):
    """With its place; the others of the file can be asked."""
    path.write_text('[openai]\napi_key_env = "MY_KEY"\n[providers.groq]\nkind = "openai_chat"\nmodel = "m"\n')
    without, with_key = read_config(path, {}), read_config(path, {"MY_KEY": KEY})
    place = f"{path}:2: openai.api_key_env: the variable MY_KEY is not set"

    assert {"openai": place} == without.config.unavailable
    assert ("openai", {"groq", "ollama"}) == (without.config.primary, without.config.providers.keys())
    assert {"openai.api_key_env": ("MY_KEY", False)} == without.key_variables
    assert ({}, KEY) == (with_key.config.unavailable, with_key.config.providers["openai"].api_key)
    assert {"openai.api_key_env": ("MY_KEY", True)} == with_key.key_variables


def test_a_providers_own_variable_does_where_the_named_one_is_not_set(path: Path):
    """The environment goes before the file."""
    path.write_text('[openai]\napi_key_env = "MY_KEY"\n')
    config = load_config(path, {"OPENAI_API_KEY": KEY})

    assert ({}, KEY) == (config.unavailable, config.providers["openai"].api_key)


@pytest.mark.parametrize(
    ("text", "environment", "variable"),
    [
        ('[openai]\nmodel = "m"', {"OPENAI_API_KEY": f"{KEY}\n{KEY}"}, "OPENAI_API_KEY"),
        ('[openai]\napi_key_env = "MY_KEY"', {"MY_KEY": f"{KEY}\n{KEY}"}, "MY_KEY"),
        ("", {"XAI_API_KEY": f"{KEY}\n{KEY}"}, "XAI_API_KEY"),
    ],
)
def test_a_key_that_is_none_is_told_with_its_variable(
    text: str, environment: dict[str, str], variable: str, path: Path
):
    """The file is not to blame."""
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(path, environment)

    words = "a key is printable ASCII without blanks around it (the value is not shown here)"
    assert f"{variable}: {words}" == str(caught.value)


def test_an_address_that_is_none_in_a_variable_keeps_nobody_from_the_others(path: Path):
    """It is told to who asks that provider."""
    path.write_text("")
    config = load_config(path, {"OPENAI_API_KEY": KEY, "XAI_API_KEY": KEY, "XAI_BASE_URL": "localhost:1"})

    assert {"openai", "ollama"} == config.providers.keys()
    words = "expected http(s)://host[:port][/path], found scheme 'localhost'"
    assert {"grok": f"XAI_BASE_URL: {words}"} == config.unavailable
