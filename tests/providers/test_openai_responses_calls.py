"""OpenAI Responses: a function call is found, put together and delivered once, whatever its events leave out."""

from __future__ import annotations

from typing import Any

import pytest
from responses_events import (
    arguments,
    begun,
    call,
    completed,
    ended,
    event,
    read,
    received,
    text,
)

from gestura.chunks import FinishReason, Text, ToolCallArgs, ToolCallStart
from gestura.providers._responses_items import LONGEST_ID
from gestura.stages.deltas import Anomaly, Finish, Oddity, Terminal, ToolCallFragment

UNFINISHED, NAMELESS = Anomaly(Oddity.UNFINISHED_TOOL_CALL), Anomaly(Oddity.NAMELESS_TOOL_CALL)
CALLED = Finish(FinishReason.TOOL_CALLS, "completed")


def without_index(one: dict[str, Any]) -> dict[str, Any]:
    """The event without what it says of its place; its ids stay."""
    return {name: value for name, value in one.items() if name != "output_index"}


def test_a_call_streams_as_it_comes():
    """A call begins with its item, goes on with its arguments, and is complete with its item."""
    events = [
        begun(),
        arguments('{"a', item_id="fc_0", output_index=0),
        arguments('":1}', item_id="fc_0", output_index=0),
        arguments('{"a":1}', "done", item_id="fc_0", output_index=0),
        ended(arguments='{"a":1}'),
    ]

    assert [
        ToolCallFragment(index=0, id="call_0", name="f"),
        ToolCallFragment(index=0, arguments='{"a'),
        ToolCallFragment(index=0, arguments='":1}'),
        ToolCallFragment(index=0, complete=True),
    ] == read(*events)


ALIASES = [
    {"call_id": "call_%", "item_id": "fc_%", "output_index": 1},
    {"item_id": "fc_%", "output_index": 1},
    {"item_id": "fc_%"},
    {"item_id": "call_%"},
    {"call_id": "call_%"},
    {"output_index": 1},
    {"item_id": "changed", "output_index": 1},
]


def alias(place: dict[str, Any], number: int) -> dict[str, Any]:
    """The place, for call `number`, which stands one item further down, behind a message."""
    return {
        name: value.replace("%", str(number)) if isinstance(value, str) else value + number
        for name, value in place.items()
    }


@pytest.mark.parametrize("place", ALIASES, ids=lambda place: "+".join(place))
@pytest.mark.parametrize("whole", [True, False], ids=["with done", "without done"])
def test_parallel_calls_are_told_apart_by_any_alias(place, whole):
    """Pieces of two calls, mixed, find their call by whichever alias they carry."""
    events = [
        begun(0, 1),
        begun(1, 2),
        *(
            arguments(said, **alias(place, number))
            for said, number in [('{"n"', 0), ('{"n"', 1), (":1}", 1), (":0}", 0)]
        ),
        *(arguments(f'{{"n":{n}}}', "done", **alias(place, n)) for n in (1, 0) if whole),
        ended(1, 2, arguments='{"n":1}'),
        ended(0, 1, arguments='{"n":0}'),
        completed(),
    ]

    assert [*call("call_0", arguments='{"n":0}'), *call("call_1", arguments='{"n":1}'), CALLED, Terminal()] == received(
        *events
    )


@pytest.mark.parametrize("item_id", [None, "changed"])
def test_without_any_known_alias_the_order_of_arrival_decides(item_id):
    """An event that names no known call goes on with the latest one that is not complete."""
    events = [
        without_index(begun(0)),
        arguments('{"n":', item_id=item_id),
        arguments("0}", item_id=item_id),
        without_index(ended(0, arguments='{"n":0}')),
        without_index(begun(1)),
        arguments('{"n":1}', item_id=item_id),
        arguments('{"n":1}', "done", item_id=item_id),
        without_index(ended(1, arguments='{"n":1}')),
    ]

    assert [*call("call_0", arguments='{"n":0}'), *call("call_1", arguments='{"n":1}')] == received(*events)


def test_an_index_that_comes_later_finds_its_call():
    """A call that was added without an index is the one that events with an unknown index go on with."""
    events = [without_index(begun(0)), arguments("{}", output_index=3), ended(0, 3)]

    assert call("call_0") == received(*events)


def test_several_items_may_share_an_index():
    """Some gateways give every item the same index: ids that differ are two calls all the same."""
    events = [
        text("Hi", "msg", 0),
        begun(0, 0),
        arguments('{"n":0}', item_id="fc_0", output_index=0),
        ended(0, 0, arguments='{"n":0}'),
        begun(1, 0),
        arguments('{"n":1}', item_id="fc_1", output_index=0),
        ended(1, 0, arguments='{"n":1}'),
    ]

    assert [Text("Hi"), *call("call_0", arguments='{"n":0}'), *call("call_1", arguments='{"n":1}')] == received(*events)


def test_indexes_of_items_do_not_matter_to_the_order_of_calls():
    """Calls are numbered as they come, so that gaps (other items) hold nothing up."""
    fragments = [each for each in read(begun(0, 4), begun(1, 9)) if isinstance(each, ToolCallFragment)]

    assert [0, 1] == [fragment.index for fragment in fragments]


@pytest.mark.parametrize(
    "events",
    [
        [ended()],
        [begun(), ended()],
        [begun(), arguments("{}", "done", item_id="fc_0"), ended()],
        [begun(), arguments("{}", "done", output_index=0)],
        [begun(arguments="{}", status="completed")],
        [begun(arguments="{}", status="completed"), ended()],
        [begun(arguments="{}"), arguments("{}", item_id="fc_0"), ended()],
        [begun(arguments="{}"), arguments("{}", item_id="fc_0")],
        [begun(), arguments("{}", item_id="fc_0")],
        [arguments("{}", item_id="fc_0"), ended()],
        [arguments("{}", output_index=0), begun(), ended()],
        [arguments("{}", output_index=0), begun()],
        [arguments("{}", "done", output_index=0, name="f"), ended()],
        [begun(call_id=None), arguments("{}", item_id="fc_0"), ended()],
        [begun(id=None), arguments("{}", item_id="call_0"), ended(id=None)],
        [begun(name=None), arguments("{}", item_id="fc_0"), ended()],
        [begun(name=None), arguments("{}", "done", item_id="fc_0", name="f"), ended()],
        [begun(), arguments("{}", item_id="fc_0"), ended(arguments="")],
        [begun(), ended(arguments="")],
        [begun(), ended(arguments=None)],
        [begun(), ended(status=None)],
        [begun(), ended(arguments={})],
        [begun(), begun(), ended(), ended()],
        [begun(), ended(), begun(), arguments("{}", "done", item_id="fc_0"), ended()],
        [],
    ],
)
def test_a_call_is_delivered_once_whichever_events_tell_it(events):
    """In pieces, as a whole, by its item alone, by the end alone: a call comes whole, once, and under its `call_id`."""
    output = ended()["item"]

    assert [*call("call_0"), CALLED, Terminal()] == received(*events, completed(output))
    if events and any(each["type"] == "response.output_item.done" for each in events):
        assert call("call_0") == received(*events)
        assert [*call("call_0"), CALLED, Terminal()] == received(*events, completed())


def test_arguments_told_in_pieces_are_not_doubled_by_a_whole_that_differs():
    """A whole is written anew by some gateways; the pieces are what counts."""
    events = [begun(), arguments('{"a":1}', item_id="fc_0"), ended(arguments='{ "a": 1 }')]

    assert call("call_0", arguments='{"a":1}') == received(*events)


def test_one_id_for_two_calls_is_two_calls():
    """A server that gives two items one `call_id` means two calls: neither is lost, and their ids are made unique."""
    second = {"call_id": "call_0", "arguments": '{"n":1}'}
    events = [begun(0), ended(0, arguments='{"n":0}'), begun(1, call_id="call_0"), ended(1, **second), completed()]

    assert [*call("call_0", arguments='{"n":0}'), *call("call_0_2", arguments='{"n":1}')] == received(*events)[:-2]


@pytest.mark.parametrize(
    ("events", "call_id"),
    [
        ([begun(call_id=None), ended(call_id=None)], "fc_0"),
        ([begun(call_id=None), arguments("{}", item_id="fc_0")], "fc_0"),
        ([begun(call_id=None, id=None), ended(call_id=None, id=None)], "call_0"),
        ([begun(call_id=""), ended(call_id="")], "fc_0"),
        ([begun(id="x" * (LONGEST_ID + 1), call_id=None), ended(id=None, call_id=None)], "call_0"),
    ],
)
def test_a_call_without_call_id_has_the_items_or_a_made_up_one(events, call_id):
    """The `call_id` is waited for, since a later turn needs it; a call that never has one is delivered all the same."""
    assert call(call_id) == [each for each in received(*events, completed()) if not isinstance(each, Finish | Terminal)]


def test_a_call_without_a_name_is_dropped_and_holds_nothing_up():
    """A nameless call is counted, and the ones behind it come."""
    events = [begun(0, name=None), begun(1), ended(1), ended(0, name=None)]

    assert [NAMELESS, *call("call_1")] == received(*events)


def test_a_late_piece_is_counted():
    """What comes for a call after its end is passed over."""
    assert [*call("call_0"), Anomaly(Oddity.LATE_TOOL_CALL_FRAGMENT)] == received(
        begun(), ended(), arguments("x", item_id="fc_0")
    )


def test_a_call_that_was_cut_off_has_no_end():
    """An incomplete item, in an incomplete response, is half a call, though its arguments are told as "done"."""
    half = {"arguments": '{"a', "status": "incomplete"}
    events = [
        begun(),
        arguments('{"a', item_id="fc_0"),
        arguments('{"a', "done", item_id="fc_0"),
        ended(**half),
        event(
            "incomplete",
            response={"incomplete_details": {"reason": "max_output_tokens"}, "output": [ended(**half)["item"]]},
        ),
    ]

    assert [
        ToolCallStart("call_0", "f"),
        ToolCallArgs("call_0", '{"a'),
        Finish(FinishReason.LENGTH, "max_output_tokens"),
        UNFINISHED,
        Terminal(),
    ] == received(*events)


def test_a_call_may_end_with_the_answer():
    """Where no event ends a call, the response does; where that has no end either, half a call is reported."""
    events = [begun(), arguments("{}", item_id="fc_0")]

    begin, pieces, end = call("call_0")

    assert [begin, pieces, CALLED, end, Terminal()] == received(*events, completed())
    assert [begin, pieces, UNFINISHED] == received(*events)
