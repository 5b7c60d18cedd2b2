"""The command shows no key, whatever the environment holds and the provider repeats."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from gestura.chunks import Text
from gestura.cli import main
from gestura.environment import VARIABLES
from gestura.simulator.faults import Garbage, HttpError, Reset
from gestura.simulator.opening import simulator_in_thread
from gestura.simulator.scenario import Scenario, StreamError

KEY = "sk-Canary+1234567890"
KEYS = {variable: KEY for variables in VARIABLES.values() for variable in variables.api_key}
REMOTE = "http://api.example/v1"

HI = (Text("Hi, and then"),)
SCENARIOS = [
    Scenario(model="401", faults=(HttpError(status=401, message=f"Incorrect API key provided: {KEY}."),)),
    Scenario(model="400", faults=(HttpError(status=400, body=f"who is {KEY}?"),)),
    Scenario(model="page", faults=(HttpError(status=200, body=f"<html>{KEY}</html>"),)),
    Scenario(model="moved", faults=(HttpError(status=302, headers={"Location": f"https://{KEY}.example/"}),)),
    Scenario(model="reset", steps=HI, faults=(Reset(after_events=2),)),
    Scenario(model="garbage", steps=HI, faults=(Garbage(after_events=2, data=f"data: {{{KEY}\n\n".encode()),)),
    Scenario(model="error", steps=(*HI, StreamError(f"no more, {KEY}", code=KEY))),
]


@pytest.mark.parametrize("as_json", [[], ["--json"]], ids=["text", "json"])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.model)
def test_no_failure_shows_the_key(scenario: Scenario, as_json: list[str]) -> None:
    """Neither as text nor as JSON; and the failure is told."""
    with simulator_in_thread([scenario]) as simulator:
        environment = {**KEYS, "OPENAI_BASE_URL": simulator.url}
        result = CliRunner().invoke(main, ["ask", *as_json, "--model", scenario.model, "Hi"], env=environment)
        sent = simulator.requests[0].headers["Authorization"]

    assert f"Bearer {KEY}" == sent
    assert 1 == result.exit_code
    assert "gestura: error" in result.stderr
    assert KEY.lower() not in result.output.lower()


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"OPENAI_API_KEY": f"{KEY}\nX-Other: 1"}, "printable ASCII"),
        ({"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": f"https://me:{KEY}@api.example"}, "use api_key or headers"),
        ({"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": REMOTE}, "use https"),
        ({"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": KEY}, "expected http"),
    ],
    ids=["a line break", "in the URL", "in the clear", "as the URL"],
)
def test_what_is_refused_is_told_without_the_key(environment: dict[str, str], words: str) -> None:
    """`ask` and `providers` say what would be right instead."""
    for command in (["ask", "Hi"], ["providers"], ["providers", "--json"]):
        result = CliRunner().invoke(main, command, env=environment)

        assert words in " ".join(result.output.split())
        assert KEY not in result.output


def test_the_list_of_providers_shows_no_key() -> None:
    """Only whether there is one."""
    result = CliRunner().invoke(main, ["providers", "--json"], env=KEYS)

    assert KEY not in result.output
    assert all(json.loads(line).get("key") for line in result.stdout.splitlines() if '"local"' not in line)
