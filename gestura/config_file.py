"""The configuration that a program reads by itself: one TOML file, and over it the environment.

The file is the one that is named, else the one that `GESTURA_CONFIG` names, else `config.toml` in the user's directory
for gestura, if it is there. Providers of the environment's variables (`gestura.environment`) are sections of their own,
any others stand below `providers`:

    primary = "anthropic"
    fallback = ["groq"]

    [anthropic]
    model = "claude-sonnet-5-5"

    [providers.groq]
    kind = "openai_chat"
    model = "llama-3.3-70b-versatile"
    base_url = "https://api.groq.com/openai/v1"
    api_key_env = "GROQ_API_KEY"

    [timeouts]
    idle = 60

A key may stand in the file as `api_key`; better is `api_key_env`, the variable that holds it. The table `serve` is what
`gestura serve` is told (`gestura.serve_settings`).
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar, get_type_hints

import attrs
import cattrs

from gestura.chat_dialect import ChatDialect
from gestura.config import ProviderSettings, RetryPolicy, StreamingConfig, Timeouts, limits_told_by
from gestura.config_problems import first_problem
from gestura.environment import VARIABLES, told_by
from gestura.errors import ConfigError
from gestura.limits import Limits
from gestura.nearest_names import nearest_name
from gestura.providers.endpoints import check_base_url
from gestura.serve_settings import KEYS_VARIABLE, REDIS_VARIABLE, ServeSettings, keys_told_by
from gestura.strict_types import strict_converter
from gestura.toml_lines import lines_of

__all__ = ["CONFIG_VARIABLE", "DEFAULT", "LoadedConfig", "default_path", "load_config", "read_config", "section_of"]

CONFIG_VARIABLE: Final = "GESTURA_CONFIG"
"""The environment variable that names the file."""

KEY_VARIABLE: Final = "api_key_env"
"""In a provider's section: the environment variable that holds its key."""

SECTIONS: Final = frozenset({"limits", "providers", "retry", "serve", "timeouts"})
"""The tables of the file beside those of providers, each read by itself, so that an error can name its place."""

DEFAULT: Final = "default"
"""The origin of what nobody said."""

_T = TypeVar("_T")


@attrs.frozen(kw_only=True)
class LoadedConfig:
    """A configuration, and where its values come from.

    Args:
        config: what a client is told.
        path: the file that was read; `None` where there is none.
        serve: what `gestura serve` is told.
        origins: by the path of a value, such as `openai.model`: `file:LINE`, the name of a variable, or `default`.
        settings: of each provider that somebody told of, by its name, also where it can't be asked.
        key_variables: by the path of an `api_key_env`: the variable that it names, and whether that is set.
    """

    config: StreamingConfig
    path: Path | None
    serve: ServeSettings
    origins: Mapping[str, str]
    settings: Mapping[str, ProviderSettings]
    key_variables: Mapping[str, tuple[str, bool]]


def default_path() -> Path:
    """Where the file is looked for when none is named: `config.toml` in the user's directory for gestura."""
    import platformdirs  # most programs name their file or have none

    return platformdirs.user_config_path("gestura") / "config.toml"


def load_config(path: Path | None = None, environment: Mapping[str, str] = os.environ) -> StreamingConfig:
    """The configuration of the file and the environment, which goes before the file.

    Args:
        path: the file; see the head of this module for the one that is read unless told.
        environment: the variables.

    Raises:
        ConfigError: something in it can't be; the message says the file, the line or the path, what was found, what
            was expected and, for a name that is not known, the nearest one that is.
    """
    return read_config(path, environment).config


def read_config(path: Path | None = None, environment: Mapping[str, str] = os.environ) -> LoadedConfig:
    """As `load_config`, with where each value comes from.

    Raises:
        ConfigError: as `load_config`.
    """
    named = path or (Path(environment[CONFIG_VARIABLE]) if environment.get(CONFIG_VARIABLE) else None)
    text = _text_of(named or default_path(), must_exist=named is not None)
    if text is None:
        return _Reader(Path(), "", environment).read(None)
    where = named or default_path()
    return _Reader(where, text, environment).read(where)


def _text_of(path: Path, *, must_exist: bool) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        if must_exist:
            raise ConfigError(f"{path}: there is no such file") from None
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: can't be read: {error}") from error


def section_of(name: str) -> str:
    """Where in the file a provider is told of.

    >>> section_of("openai"), section_of("groq")
    ('openai', 'providers.groq')
    """
    return name if name in VARIABLES else f"providers.{name}"


class _Reader:
    """Makes a configuration of one file's text. Its methods refuse what is wrong with the place where it stands."""

    def __init__(self, path: Path, text: str, environment: Mapping[str, str]) -> None:
        self._path = path
        self._lines = lines_of(text)
        self._environment = environment
        self._origins: dict[str, str] = {}
        self._settings: dict[str, ProviderSettings] = {}
        self._key_variables: dict[str, tuple[str, bool]] = {}
        self._unavailable: dict[str, str] = {}
        self._converter = strict_converter(unknown_keys=False)
        try:
            self._table = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            words, _, place = str(error).partition(" (at line ")
            line = f":{place.partition(',')[0]}" if place else ""
            raise ConfigError(f"{path}{line}: no TOML: {words if place else error}") from None

    def read(self, path: Path | None) -> LoadedConfig:
        plain_names = {field.name for field in attrs.fields(StreamingConfig)} - SECTIONS - {"unavailable"}
        top = plain_names | VARIABLES.keys() | SECTIONS
        self._check_places_of_providers(top)
        self._check_names("", self._table, top)
        if not isinstance(self._table.get("fallback", []), list):
            self._refuse("fallback", "expected a list of names of providers")
        providers = self._providers()
        retry = self._section("retry", RetryPolicy)
        timeouts = self._section("timeouts", Timeouts)
        limits = self._limits()
        serve = self._serve()
        plain = {name: value for name, value in self._table.items() if name in plain_names}
        plain.setdefault("primary", self._first_told(providers))
        for name in plain_names:
            self._note(name, told=name in self._table)
        config = attrs.evolve(
            self._structure("", plain, StreamingConfig),
            providers=providers,
            retry=retry,
            timeouts=timeouts,
            limits=limits,
            unavailable=self._unavailable,
        )
        self._check_provider_names(config)
        return LoadedConfig(
            config=config,
            path=path,
            serve=serve,
            origins=self._origins,
            settings=self._settings,
            key_variables=self._key_variables,
        )

    def _check_places_of_providers(self, top: set[str]) -> None:
        """A provider of one's own at the top is a frequent slip, for the built-in ones stand there."""
        telling = {field.name for field in attrs.fields(ProviderSettings)} | {KEY_VARIABLE}
        for name, section in self._table.items():
            if name not in top and isinstance(section, dict) and telling & section.keys():
                self._refuse(name, f"providers of your own stand below `providers`: [providers.{name}]")

    def _limits(self) -> Limits:
        told = limits_told_by(self._environment)
        self._origins |= {f"limits.{name}": variable for name, (_value, variable) in told.items()}
        return attrs.evolve(self._section("limits", Limits), **{name: value for name, (value, _) in told.items()})

    def _serve(self) -> ServeSettings:
        section = self._section("serve", ServeSettings)
        told: dict[str, Any] = {}
        if keys := keys_told_by(self._environment):
            told["keys"] = {**section.keys, **keys}
            self._origins["serve.keys"] = KEYS_VARIABLE
        if url := self._environment.get(REDIS_VARIABLE, "").strip():
            told["redis_url"] = url
            self._origins["serve.redis_url"] = REDIS_VARIABLE
        return attrs.evolve(section, **told)

    def _providers(self) -> dict[str, ProviderSettings]:
        others = self._table.get("providers", {})
        if not isinstance(others, dict):
            self._refuse("providers", "expected tables, one for each provider")
        providers = {}
        for name in dict.fromkeys((*VARIABLES, *others)):
            if name in VARIABLES and name in others and name not in self._table:
                self._refuse(f"providers.{name}", f"{name} has a section of its own: [{name}]")
            section = self._table.get(name) if name in VARIABLES else others[name]
            settings = self._provider(name, section_of(name), section)
            if settings is not None:
                providers[name] = settings
        return providers

    def _provider(self, name: str, path: str, section: Any) -> ProviderSettings | None:
        """The settings of one provider; `None` where neither file nor environment tell enough to ask it."""
        if section is not None and not isinstance(section, dict):
            self._refuse(path, f"expected a table, found {type(section).__name__}")
        values = dict(section or {})
        fields = {field.name for field in attrs.fields(ProviderSettings)}
        self._check_names(path, values, fields | {KEY_VARIABLE})
        for field in fields:
            self._note(f"{path}.{field}", told=field in values)
        self._check_dialect(f"{path}.dialect", values.get("dialect", {}))
        key_variable = self._read_key_variable(path, values)
        variables = VARIABLES.get(name)
        if variables is not None:
            for field, (value, variable) in told_by(self._environment, name).items():
                values[field] = value
                self._origins[f"{path}.{field}"] = variable
            values = {"kind": name, "model": variables.default_model} | values
        for needed in ("kind", "model"):
            if needed not in values:
                self._refuse(path, f"{needed} is missing")
        settings = self._structure(path, values, ProviderSettings)
        self._check_base_url(name, f"{path}.base_url", settings)
        if key_variable is not None and not settings.api_key:
            problem = self._placed(f"{path}.{KEY_VARIABLE}", f"the variable {key_variable} is not set")
            self._unavailable.setdefault(name, problem)
        needs_key = variables is not None and variables.needs_key and settings.base_url is None
        lacks_key = needs_key and not settings.api_key
        if section is not None or not lacks_key:
            self._settings[name] = settings
        return None if lacks_key or name in self._unavailable else settings

    def _check_base_url(self, name: str, path: str, settings: ProviderSettings) -> None:
        base_url = settings.base_url
        if base_url is None:
            return
        if settings.kind == "ollama":
            from gestura.providers.ollama import ollama_base_url  # most programs don't ask it

            base_url = ollama_base_url(base_url)
        try:
            check_base_url(base_url)
        except ConfigError as error:
            problem = str(error).removeprefix("base_url: ")
            if self._origins.get(path) not in self._environment:
                self._refuse(path, problem)
            self._unavailable[name] = self._placed(path, problem)  # a variable of a provider that nobody may ask

    def _check_dialect(self, path: str, table: Any) -> None:
        if not isinstance(table, dict):
            self._refuse(path, f"expected a table, found {type(table).__name__}")
        fields = {field.name for field in attrs.fields(ChatDialect)}
        self._check_names(path, table, fields)
        for field in fields:
            self._note(f"{path}.{field}", told=field in table)

    def _read_key_variable(self, path: str, values: dict[str, Any]) -> str | None:
        """Take the key from the variable that is named, if one is. Which that is."""
        variable = values.pop(KEY_VARIABLE, None)
        if variable is None:
            return None
        if not isinstance(variable, str):
            self._refuse(f"{path}.{KEY_VARIABLE}", f"expected the name of a variable, found {type(variable).__name__}")
        if "api_key" in values:
            self._refuse(f"{path}.{KEY_VARIABLE}", "api_key is there, too: one of them is enough")
        self._note(f"{path}.{KEY_VARIABLE}", told=True)
        key = self._environment.get(variable, "").strip()
        self._key_variables[f"{path}.{KEY_VARIABLE}"] = (variable, bool(key))
        if key:
            values["api_key"] = key
            self._origins[f"{path}.api_key"] = variable
        return variable

    def _first_told(self, providers: Mapping[str, ProviderSettings]) -> str:
        """Whom to ask where the file does not say: the first that the file or a variable tells of."""
        told = (
            name
            for name in self._settings
            if name in providers.keys() | self._unavailable.keys()
            and (name in self._table or name not in VARIABLES or told_by(self._environment, name))
        )
        return next(told, "openai")

    def _section(self, name: str, cls: type[_T]) -> _T:
        section = self._table.get(name, {})
        if not isinstance(section, dict):
            self._refuse(name, f"expected a table, found {type(section).__name__}")
        fields = {field.name for field in attrs.fields(cls)}  # type: ignore[arg-type]  # which are all attrs classes
        self._check_names(name, section, fields)
        for field in fields:
            self._note(f"{name}.{field}", told=field in section)
        return self._structure(name, section, cls)

    def _check_provider_names(self, config: StreamingConfig) -> None:
        known = config.providers.keys() | config.unavailable.keys() | VARIABLES.keys()
        for path, names in (("primary", [config.primary]), ("fallback", config.fallback)):
            for name in names:
                if name not in known:
                    own = f" (a provider of your own needs a section [providers.{name}])"
                    self._refuse(path, f"{name!r} is no provider{nearest_name(name, sorted(known))}{own}")

    def _check_names(self, path: str, table: Mapping[str, Any], known: set[str]) -> None:
        for name in table:
            if name not in known:
                place = f"{path}.{name}" if path else name
                self._refuse(place, f"there is no such setting{nearest_name(name, sorted(known))}")

    def _structure(self, path: str, values: Mapping[str, Any], cls: type[_T]) -> _T:
        try:
            return self._converter.structure(values, cls)
        except cattrs.BaseValidationError as error:
            name, problem = first_problem(error, get_type_hints(cls), values)
            self._refuse(".".join(filter(None, (path, name))), problem)

    def _note(self, path: str, *, told: bool) -> None:
        line = self._lines.get(path)
        self._origins.setdefault(path, DEFAULT if not told else f"{self._path}:{line}" if line else str(self._path))

    def _refuse(self, path: str, problem: str) -> NoReturn:
        raise ConfigError(self._placed(path, problem))

    def _placed(self, path: str, problem: str) -> str:
        """What is wrong with a setting, with where it comes from: a variable, or a place in the file."""
        origin = self._origins.get(path)
        if origin not in (None, DEFAULT) and origin in self._environment:
            return f"{origin}: {problem}"
        line = self._line_of(path)
        where = f"{self._path}:{line}: " if line else f"{self._path}: " if self._path.name else ""
        return f"{where}{path}: {problem}"

    def _line_of(self, path: str) -> int | None:
        """The line of the setting, or of the section it is missing from or was found wrong in."""
        while path:
            if path in self._lines:
                return self._lines[path]
            path = path.rpartition(".")[0]
        return None
