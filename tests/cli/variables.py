"""What the environment may tell of providers: to be left out, so that no developer's keys come into a test."""

from __future__ import annotations

from gestura.environment import VARIABLES

PROVIDER_VARIABLES = {
    variable
    for variables in VARIABLES.values()
    for variable in (*variables.api_key, variables.base_url, variables.model)
}

NOTHING = dict.fromkeys(PROVIDER_VARIABLES)
"""For `CliRunner`, which takes `None` for a variable that is not set."""
