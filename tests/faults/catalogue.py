"""Fifty-two ways in which streams of models fail in the field, and where each is tested here.

The catalogue was made before the code, from what providers, networks, users and other packages do; its numbers are
those of its rows. A row is covered by rows of the fault table, each named by its fault, which are tested in memory and
over sockets; by tests, named by file and function; or by both. A test holds that all of them are there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import attrs

__all__ = ["CATALOGUE", "Covered"]


@attrs.frozen
class Covered:
    """Where one row is tested.

    Args:
        what: the row, in a word or two.
        rows: faults of the fault table.
        tests: `file::function`, below `tests`.
    """

    what: str
    rows: Sequence[str] = ()
    tests: Sequence[str] = ()


_HINTS: Final = "providers/test_faults.py::test_a_hint_is_a_positive_finite_time"
_HOSTILE: Final = "fuzz/test_hostile_wires.py::test_no_field_of_another_shape_breaks_a_law"
_LIMITS: Final = "wire/test_limits_hold.py::test_a_limit_ends_the_flood"
_BACKPRESSURE: Final = "wire/test_client_backpressure.py"
_CASES: Final = "stages/test_sse.py::test_events_are_read_as_the_standard_says"
_TRICKS: Final = "cli/test_terminal_safety.py::test_a_transcript_obeys_nothing"

CATALOGUE: Final[Mapping[int, Covered]] = {
    1: Covered(
        "no name, no connection, no TLS",
        rows=[
            "the host's name has no address",
            "the connection is refused",
            "TLS can't be negotiated, or the certificate is not valid",
        ],
    ),
    2: Covered("a connection that is swallowed", rows=["nothing answers the connection, or its TLS handshake"]),
    3: Covered("a stale connection", rows=["a connection from the pool was closed by the server just then"]),
    4: Covered("no head, or one that drips", rows=["the response never begins", "its head drips, and never ends"]),
    5: Covered("a head, and then silence", rows=["silence", "silence, once"]),
    6: Covered("pings alone", rows=["comments for ever", "empty deltas for ever", "comments for a while"]),
    7: Covered("a reset amid the answer", rows=["the connection is reset", "the connection is reset, once"]),
    8: Covered("a body cut short", rows=["the chunked body breaks off", "the body is shorter than declared"]),
    9: Covered(
        "a clean end, too early",
        rows=["the body ends cleanly", "the body ends with its connection", "the body ends without `[DONE]`"],
    ),
    10: Covered("data after the end", rows=["more text after `[DONE]`", "the body never ends after `[DONE]`"]),
    11: Covered(
        "redirects",
        rows=["301, a redirect", "307, a redirect", "308, a redirect"],
        tests=["wire/test_transport.py::test_redirects_are_not_followed"],
    ),
    12: Covered("refusals of the request", rows=["400", "404, no such model", "422"]),
    13: Covered("a wrong key", rows=["401", "403"]),
    14: Covered(
        "no money left",
        rows=["402", "429 with the code `insufficient_quota`", "429 with the code `project_spend_limit_exceeded`"],
    ),
    15: Covered(
        "hints to wait",
        rows=["429 with `Retry-After: 3`", "429 with `Retry-After: 7.0`", "429 with `retry-after-ms: 2000`"],
        tests=[_HINTS],
    ),
    16: Covered(
        "hints of nonsense",
        rows=["429 with `Retry-After: nan`", "429 with `Retry-After: -3`", "429 with `Retry-After: 121`"],
        tests=["providers/test_faults.py::test_no_hint_makes_the_reader_fail"],
    ),
    17: Covered(
        "statuses worth another try",
        rows=["408", "409", "500", "503", "529", "503 with `x-should-retry: false`"],
    ),
    18: Covered("a storm of retries", tests=["actors/test_guard.py::test_a_storm_of_failures_makes_few_retries"]),
    19: Covered(
        "200, and no stream",
        rows=["200 with a JSON error, overloaded", "200 with JSON that is no stream", "200 with a page of HTML"],
        tests=["actors/test_content_types.py::test_a_document_is_no_stream"],
    ),
    20: Covered(
        "an error in the stream",
        rows=["an error in the stream: overloaded", "Anthropic's `overloaded_error`"],
    ),
    21: Covered("what nobody knows yet", rows=["events and fields that nobody knows"]),
    22: Covered("events that are no JSON", rows=["an event that is no JSON", "an event that is no object"]),
    23: Covered("fields of other types", rows=["known fields of other types"], tests=[_HOSTILE]),
    24: Covered("a line without end", rows=["a line longer than `max_frame_bytes`"], tests=[_LIMITS]),
    25: Covered("an event without end", rows=["an event longer than `max_frame_bytes`"], tests=[_LIMITS]),
    26: Covered(
        "a million reads of a byte", tests=["stages/test_lines.py::test_a_line_of_a_million_reads_takes_linear_time"]
    ),
    27: Covered(
        "compression",
        rows=["the body is compressed, unasked"],
        tests=["wire/test_transport.py::test_compression_is_refused"],
    ),
    28: Covered(
        "JSON at its limits",
        rows=[
            "an event nested a hundred thousand deep",
            "an event of more parts than `max_json_parts`",
            "half of a surrogate pair",
        ],
        tests=["stages/test_json_limits.py::test_what_nests_deeper_than_the_limit_is_refused", _HOSTILE],
    ),
    29: Covered(
        "calls without end",
        rows=[
            "arguments longer than `max_tool_argument_bytes`",
            "more calls than `max_tool_calls`",
            "a call with the index 1,000,000,000",
            "a call without a name, in a complete answer",
        ],
        tests=["stages/test_tool_calls.py::test_calls_are_contiguous_whatever_comes"],
    ),
    30: Covered("arguments that are no JSON", rows=["arguments that are no JSON, in a complete answer"]),
    31: Covered("thinking without end", rows=["an answer longer than `max_answer_bytes`"], tests=[_LIMITS]),
    32: Covered(
        "characters in pieces",
        rows=["a byte that is no UTF-8", "half of a surrogate pair"],
        tests=["invariants/test_1_boundaries.py::test_cuts_of_an_answer_do_not_matter"],
    ),
    33: Covered(
        "BOMs and line ends", tests=[_CASES, "wire/test_live_eventsource.py::test_it_reads_every_case_as_we_do"]
    ),
    34: Covered(
        "token counts that are none",
        tests=[
            "fuzz/test_findings.py::test_a_count_that_can_t_be_one_is_none",
            "actors/test_supervisor.py::test_usage_that_was_never_told_is_unknown",
        ],
    ),
    35: Covered(
        "heads that are none",
        rows=["its head is too large", "the response is no HTTP"],
        tests=["wire/test_limits_hold.py::test_a_head_beyond_its_limits_is_no_answer"],
    ),
    36: Covered("cookies", tests=["wire/test_transport.py::test_cookies_are_not_kept"]),
    37: Covered(
        "a slow reader",
        tests=[
            f"{_BACKPRESSURE}::test_a_consumer_that_stops_reading_stops_the_reads",
            "invariants/test_6_bounded.py::test_a_user_who_is_waited_for_loses_nothing",
        ],
    ),
    38: Covered("a reader who leaves", tests=[f"{_BACKPRESSURE}::test_leaving_early_closes_the_socket_at_once"]),
    39: Covered(
        "cancellation anywhere",
        tests=[
            "invariants/test_7_prompt_end.py::test_a_cancel_scope_is_heard_whatever_happens",
            "test_cancellation.py::test_a_cancel_scope_around_the_stream_leaks_nothing",
        ],
    ),
    40: Covered(
        "pause, and later on",
        tests=[
            "test_cancellation.py::test_resuming_asks_the_same_provider_for_the_rest",
            "test_cancellation.py::test_a_paused_stream_tells_what_is_needed_to_go_on",
        ],
    ),
    41: Covered(
        "cancellation between attempts",
        tests=["test_cancellation.py::test_no_wait_begins_under_a_token_that_has_spoken"],
    ),
    42: Covered(
        "signals and closed pipes",
        tests=[
            "cli/test_ctrl_c.py::test_ctrl_c_ends_a_stream_in_every_phase",
            "cli/test_ctrl_c.py::test_a_termination_ends_it_as_every_program",
            "cli/test_processes.py::test_a_reader_that_leaves_ends_the_stream_quietly",
        ],
    ),
    43: Covered(
        "misuse of a stream",
        tests=[
            "actors/test_misuse.py::test_only_one_task_waits_for_chunks",
            "actors/test_misuse.py::test_a_closed_client_is_of_no_use",
            "actors/test_chunk_stream.py::test_a_stream_is_of_no_use_after_its_block",
        ],
    ),
    44: Covered(
        "one failure among many streams",
        tests=[
            "actors/test_supervisor.py::test_a_crash_in_a_stage_ends_its_own_stream_alone",
            "invariants/test_3_one_ending.py::test_streams_of_one_client_each_end_once",
        ],
    ),
    45: Covered(
        "a key that is none", tests=["test_config.py::test_a_key_that_would_break_a_header_is_refused_unshown"]
    ),
    46: Covered("a key where it can be seen", tests=["invariants/test_8_no_secrets.py::test_no_failure_tells_the_key"]),
    47: Covered(
        "addresses that are none",
        rows=["its address is none", "its key would cross the network in the clear"],
        tests=["providers/test_endpoints.py::test_what_is_no_safe_base_url_is_refused"],
    ),
    48: Covered(
        "netrc and proxies",
        tests=[
            "wire/test_transport.py::test_netrc_is_ignored",
            "wire/test_transport.py::test_the_proxy_of_the_environment_is_used",
            "wire/test_transport.py::test_loopback_needs_no_proxy",
        ],
    ),
    49: Covered(
        "commands to the terminal", tests=[_TRICKS, "cli/test_terminal_safety.py::test_a_terminal_gets_no_tricks"]
    ),
    50: Covered("markup", tests=[_TRICKS]),
    51: Covered("clocks that jump", rows=["429 with a date far away"], tests=[_HINTS]),
    52: Covered(
        "other loops, runs and processes",
        tests=[
            "actors/test_misuse.py::test_a_program_that_misuses_a_client_is_told",
            "actors/test_misuse.py::test_a_client_stays_in_its_own_run",
            "wire/test_transport_loop.py::test_a_loop_of_the_users_own_goes_on",
            "wire/test_transport_thread.py::test_a_fork_has_no_transport",
        ],
    ),
}
