"""Whatever the order and shape of the fragments, calls come out whole, one after another, and once."""

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from linear import assert_linear

from gestura.chunks import FinishReason, Refusal, Text, Thinking, ToolCallArgs, ToolCallEnd, ToolCallStart
from gestura.errors import ErrorKind, Fault, LimitExceeded
from gestura.limits import Limits
from gestura.stages.deltas import Anomaly, Finish, ModelName, Oddity, Terminal, Usage
from gestura.stages.deltas import ToolCallFragment as Fragment
from gestura.stages.tool_calls import ToolCallAssembler
from gestura.usage import TokenUsage

FINISH = Finish(FinishReason.TOOL_CALLS)
LATE, NAMELESS, UNFINISHED = map(
    Anomaly, (Oddity.LATE_TOOL_CALL_FRAGMENT, Oddity.NAMELESS_TOOL_CALL, Oddity.UNFINISHED_TOOL_CALL)
)


@attrs.define
class Call:
    """A call as the user receives it."""

    id: str
    name: str
    arguments: str = ""
    ended: bool = True


def run(deltas, limits=None):
    """What the stage makes of `deltas`, each in a batch of its own."""
    assembler = ToolCallAssembler(limits or Limits())
    out = []
    for delta in deltas:
        out += assembler.feed([delta])
    return [*out, *assembler.close()]


def calls(pieces):
    """The calls in `pieces`. Fails unless they are `(Start Args+ End)*`, each with its own id, the last maybe open."""
    found = []
    for piece in pieces:
        match piece:
            case ToolCallStart(id, name):
                assert all(call.ended and call.id != id for call in found)
                found.append(Call(id, name, ended=False))
            case ToolCallArgs(id, fragment):
                assert (found[-1].id, found[-1].ended) == (id, False)
                assert fragment
                found[-1].arguments += fragment
            case ToolCallEnd(id):
                assert (found[-1].id, found[-1].ended) == (id, False)
                assert found[-1].arguments
                found[-1].ended = True
    return found


def anomalies(pieces):
    return [piece for piece in pieces if isinstance(piece, Anomaly)]


EXAMPLES = {
    "one call in pieces": (
        [Fragment(0, "a", "look"), Fragment(0, arguments='{"at":'), Fragment(0, arguments="1}")],
        [Call("a", "look", '{"at":1}')],
    ),
    "a whole call in one fragment": (
        [Fragment(0, "a", "look", "{1}", complete=True)],
        [Call("a", "look", "{1}")],
    ),
    "interleaved": (
        [
            Fragment(1, "b", "g", "[1"),
            Fragment(0, "a", "f", "[0"),
            Fragment(1, arguments=",1]"),
            Fragment(0, None, None, "]"),
        ],
        [Call("a", "f", "[0]"), Call("b", "g", "[1,1]")],
    ),
    "counted from 1, with a gap": (
        [Fragment(3, "b", "g", "{3}"), Fragment(1, "a", "f", "{1}")],
        [Call("a", "f", "{1}"), Call("b", "g", "{3}")],
    ),
    "a hostile index": (
        [Fragment(10**9, "b", "g", "{2}"), Fragment(0, "a", "f", "{0}"), Fragment(10**5000, "c", "h", "{3}")],
        [Call("a", "f", "{0}"), Call("b", "g", "{2}"), Call("c", "h", "{3}")],
    ),
    "a negative index is none": (
        [Fragment(-1, "a", "f", "{1}"), Fragment(-1, "b", "g", "{2}"), Fragment(-1, "a", None, "{3}")],
        [Call("a", "f", "{1}{3}"), Call("b", "g", "{2}")],
    ),
    "a negative index does not keep calls together": (
        [Fragment(-1, None, "f", "{1}"), Fragment(-1, None, "g", "{2}")],
        [Call("call_0", "f", "{1}"), Call("call_1", "g", "{2}")],
    ),
    "no index comes after every index": (
        [Fragment(5, "c", "h", "{3}"), Fragment(0, "a", "f", "{1}"), Fragment(None, "d", "i", "{4}")],
        [Call("a", "f", "{1}"), Call("c", "h", "{3}"), Call("d", "i", "{4}")],
    ),
    "every call is number 0": (
        [Fragment(0, "a", "f", "{1}"), Fragment(0, "b", "g", "{2"), Fragment(0, None, None, "}")],
        [Call("a", "f", "{1}"), Call("b", "g", "{2}")],
    ),
    "every call is number 0, complete, and interleaved by id": (
        [
            Fragment(0, "a", "f", "{1"),
            Fragment(0, "b", "g", "{2}", complete=True),
            Fragment(0, "a", "f", "}", complete=True),
            Fragment(0, "c", "h", "{3}", complete=True),
        ],
        [Call("a", "f", "{1}"), Call("b", "g", "{2}"), Call("c", "h", "{3}")],
    ),
    "another id without a name is the same call": (
        [Fragment(0, "a", "f", "{"), Fragment(0, "b", None, "1"), Fragment(0, "c", "", "}")],
        [Call("a", "f", "{1}")],
    ),
    "another name without an id is the same call": (
        [Fragment(0, "a", "f", "{1"), Fragment(0, "", "g", "}")],
        [Call("a", "f", "{1}")],
    ),
    "id and name on every fragment": (
        [Fragment(0, "a", "f", "{"), Fragment(0, "a", "f", "1"), Fragment(0, "a", "f", "}")],
        [Call("a", "f", "{1}")],
    ),
    "a name in pieces, then repeated": (
        [Fragment(0, "a", "get_"), Fragment(0, None, "weather"), Fragment(0, None, "get_weather", "{}")],
        [Call("a", "get_weather", "{}")],
    ),
    "a name that comes after the arguments": (
        [Fragment(0, "a", None, "{1"), Fragment(0, None, "f"), Fragment(0, None, "g", "}")],
        [Call("a", "f", "{1}")],
    ),
    "an id that comes after the name": (
        [Fragment(0, None, "f"), Fragment(0, "a"), Fragment(0, None, None, "{1}")],
        [Call("a", "f", "{1}")],
    ),
    "an id that comes with the name repeated": (
        [Fragment(0, None, "f"), Fragment(0, "a", "f", "{1}")],
        [Call("a", "f", "{1}")],
    ),
    "no index, known by id": (
        [
            Fragment(None, "a", "f", "[0"),
            Fragment(None, "b", "g", "[1"),
            Fragment(None, "a", None, "]"),
            Fragment(None, "b", None, "]"),
        ],
        [Call("a", "f", "[0]"), Call("b", "g", "[1]")],
    ),
    "no index, id on the first fragment only": (
        [Fragment(None, "a", "f"), Fragment(arguments="{1}"), Fragment(None, "b", "g"), Fragment(arguments="{2}")],
        [Call("a", "f", "{1}"), Call("b", "g", "{2}")],
    ),
    "no index, no ids, a name opens a call": (
        [Fragment(name="f", arguments="{1"), Fragment(arguments="}"), Fragment(name="f", arguments="{2}")],
        [Call("call_0", "f", "{1}"), Call("call_1", "f", "{2}")],
    ),
    "no index, no ids, a name in pieces": (
        [Fragment(name="get_"), Fragment(name="time"), Fragment(arguments="{1}"), Fragment(name="g", arguments="{2}")],
        [Call("call_0", "get_time", "{1}"), Call("call_1", "g", "{2}")],
    ),
    "no index, no ids, no arguments, but complete": (
        [Fragment(name="f", complete=True), Fragment(name="g", complete=True)],
        [Call("call_0", "f", "{}"), Call("call_1", "g", "{}")],
    ),
    "no index, no ids, two calls in each event": (
        [
            Fragment(name="f", position=0),
            Fragment(name="g", position=1),
            Fragment(arguments="{1}", position=0),
            Fragment(arguments="{2}", position=1),
        ],
        [Call("call_0", "f", "{1}"), Call("call_1", "g", "{2}")],
    ),
    "no index, no ids, a position that no call has": (
        [Fragment(name="f"), Fragment(arguments="{1}", position=7)],
        [Call("call_0", "f", "{1}")],
    ),
    "no index, the position of the call last named there": (
        [
            Fragment(None, "a", "f", "[0", position=0),
            Fragment(None, "b", "g", "[1", position=1),
            Fragment(None, "b", position=0),
            Fragment(arguments="]", position=0),
        ],
        [Call("a", "f", "[0"), Call("b", "g", "[1]")],
    ),
    "an index on the first fragment only": (
        [Fragment(0, "a", "f", "{1"), Fragment(arguments="}")],
        [Call("a", "f", "{1}")],
    ),
    "an index on all but the first fragment": (
        [Fragment(None, "a", "f", "{1"), Fragment(0, arguments="}")],
        [Call("a", "f", "{1}")],
    ),
    "blank ids": (
        [Fragment(0, "", "f", "{1}"), Fragment(1, " ", "g", "{2}"), Fragment(2, None, "h", "{3}")],
        [Call("call_0", "f", "{1}"), Call("call_1", "g", "{2}"), Call("call_2", "h", "{3}")],
    ),
    "an id that looks made up": (
        [Fragment(1, "call_0", "g", "{2}"), Fragment(0, None, "f", "{1}")],
        [Call("call_0_2", "f", "{1}"), Call("call_0", "g", "{2}")],
    ),
    "an id that was made up before": (
        [Fragment(0, None, "f", "{1}"), Fragment(1, "call_0", "g", "{2}")],
        [Call("call_0", "f", "{1}"), Call("call_0_2", "g", "{2}")],
    ),
    "the same id at two indexes": (
        [
            Fragment(0, "a", "f", "{1"),
            Fragment(1, "a", "g", "{2"),
            Fragment(0, "a", None, "}"),
            Fragment(1, "a", None, "}"),
        ],
        [Call("a", "f", "{1}"), Call("a_2", "g", "{2}")],
    ),
    "the variation of an id is another call's": (
        [Fragment(0, "a", "f", "{1}"), Fragment(1, "a", "g", "{2}"), Fragment(2, "a_2", "h", "{3}")],
        [Call("a", "f", "{1}"), Call("a_3", "g", "{2}"), Call("a_2", "h", "{3}")],
    ),
    "no arguments": (
        [Fragment(0, "a", "f"), Fragment(1, "b", "g", complete=True)],
        [Call("a", "f", "{}"), Call("b", "g", "{}")],
    ),
}


@pytest.mark.parametrize("ending", [FINISH, Terminal()])
@pytest.mark.parametrize(("fragments", "expected"), EXAMPLES.values(), ids=EXAMPLES)
def test_examples(fragments, expected, ending):
    """Each of these servers means these calls, and nothing about them is an anomaly."""
    out = run([*fragments, ending])

    assert expected == calls(out)
    assert not anomalies(out)


@pytest.mark.parametrize(("fragments", "expected"), EXAMPLES.values(), ids=EXAMPLES)
def test_the_finish_may_come_first(fragments, expected):
    """`Finish` ends no call by itself: fragments may follow it."""
    assert expected == calls(run([FINISH, *fragments]))


names = st.text("_abcxyz", min_size=1, max_size=8).map(lambda rest: "n" + rest)  # "n" only in front: no piece repeats


@st.composite
def interleavings(draw):
    """Calls, and their fragments with each call's own in order: `([Call, …], [Fragment, …])`."""
    indexes = sorted(draw(st.sets(st.integers(0, 5), max_size=5)))
    ids = draw(st.permutations(["a", "b", "c", "d", "e", "f"]))
    expected, queues = [], []
    for index, provider_id in zip(indexes, ids, strict=False):
        call = Call(provider_id, draw(names), draw(st.text('{"é😀}', max_size=6)))
        cut = draw(st.integers(0, len(call.name)))
        pieces = [
            Fragment(index, provider_id),
            Fragment(index, None, call.name[:cut]),
            Fragment(index, None, call.name[cut:]),
        ]
        pieces += [
            Fragment(index, draw(st.sampled_from([None, "", provider_id])), None, each) for each in call.arguments
        ]
        pieces[-1].complete = draw(st.booleans())
        call.arguments = call.arguments or "{}"
        expected.append(call)
        queues.append(pieces)
    fragments = []
    while queues := [queue for queue in queues if queue]:
        fragments.append(draw(st.sampled_from(queues)).pop(0))
    return expected, fragments


@given(interleavings(), st.booleans())
def test_any_interleaving_gives_the_same_calls(interleaving, in_one_batch):
    """As long as each call's own fragments are in order, the calls come out whole and in index order."""
    expected, fragments = interleaving
    assembler = ToolCallAssembler()
    batches = [fragments] if in_one_batch else [[fragment] for fragment in fragments]
    out = [piece for batch in [*batches, [FINISH]] for piece in assembler.feed(batch)]

    assert expected == calls([*out, *assembler.close()])


garbage_fragments = st.builds(
    Fragment,
    index=st.sampled_from([None, None, -1, 0, 0, 1, 2, 3, 10**9]),
    id=st.sampled_from([None, None, "", " ", "a", "b", "call_0", "a_2"]),
    name=st.sampled_from([None, None, "", " ", "f", "g"]),
    arguments=st.sampled_from(["", "[", "]", "xyz"]),
    position=st.integers(0, 2),
    complete=st.sampled_from([False, False, True]),
)
others = st.sampled_from([Text("t"), Thinking("h"), Refusal("r"), FINISH, Terminal(), Anomaly(Oddity.UNKNOWN_EVENT)])
garbage = st.lists(garbage_fragments | garbage_fragments | others, max_size=25)


@given(garbage)
@example([Fragment(1, "a", "f", "{"), Fragment(0, "b", "g", "{", complete=True), Fragment(0, "c", "h", "{"), FINISH])
@example([Fragment(0, "a", "f", "{", complete=True), Fragment(1, "b", "g", "{"), Fragment(0, "c", "h", "{")])
@example([Fragment(None, "a", None, "{"), Fragment(None, "a", "f")])
@example([Fragment(0, " ", " ", "{"), Fragment(0, None, "f", "}", complete=True)])
def test_calls_are_contiguous_whatever_comes(deltas):
    """Starts, arguments and ends never interleave, ids are unique, and everything else passes in its order."""
    out = run(deltas)
    passed = [delta for delta in deltas if not isinstance(delta, Fragment)]

    calls(out)
    assert passed == [piece for piece in out if piece in passed]


@given(garbage)
@example([Fragment(0, "a", "f", "{"), Fragment(1, "b", "g", "{", complete=True)])
@example([Fragment(0, "a", "f", "{", complete=True), Fragment(0, "a", None, "}"), Fragment(2, "c", "h", "xyz")])
@example([Fragment(0, None, None, "xyz", complete=True), Fragment(0, None, "f", "{}"), FINISH])
def test_nothing_is_lost_unreported(deltas):
    """Arguments come out, or an anomaly tells of them; a call without an end is always told of."""
    fragments = [delta for delta in deltas if isinstance(delta, Fragment)]
    out = run(deltas)
    found = calls(out)
    told = [piece for piece in anomalies(out) if piece.oddity is not Oddity.UNKNOWN_EVENT]
    received = sum(len(piece.fragment) for piece in out if isinstance(piece, ToolCallArgs) and piece.fragment != "{}")
    sent = sum(len(fragment.arguments) for fragment in fragments)

    assert received == sent or (received < sent and told)
    assert UNFINISHED in told or all(call.ended for call in found)


@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), max_size=15))
@example([(3, False), (1, True), (2, True), (0, False)])
@example([(1, True), (3, True), (3, True), (4, False)])
def test_calls_come_in_index_order(sent):
    """Whichever is complete first, and whichever are missing or nameless, the lower index comes first."""
    nameless = {2, 5}
    fragments = [
        Fragment(index, None, None if index in nameless else f"f{index}", "x", complete=complete)
        for index, complete in sent
    ]
    expected = [f"f{index}" for index in sorted({index for index, _ in sent} - nameless)]

    assert expected == [call.name for call in calls(run([*fragments, FINISH]))]


def test_the_call_whose_turn_it_is_streams_live():
    """Its start comes with its first arguments, and each piece at once; the next call follows when it has ended."""
    assembler = ToolCallAssembler()

    assert not assembler.feed([Fragment(0, "a", "f")])
    assert [ToolCallStart("a", "f"), ToolCallArgs("a", "{")] == assembler.feed([Fragment(0, arguments="{")])
    assert not assembler.feed([Fragment(1, "b", "g", "[1"), Fragment(2, "c", "h", "[2]", complete=True)])
    assert [ToolCallArgs("a", "}"), ToolCallEnd("a"), ToolCallStart("b", "g"), ToolCallArgs("b", "[1")] == (
        assembler.feed([Fragment(0, arguments="}", complete=True)])
    )
    assert [ToolCallArgs("b", "]")] == assembler.feed([Fragment(1, arguments="]")])
    assert [ToolCallEnd("b"), ToolCallStart("c", "h"), ToolCallArgs("c", "[2]"), ToolCallEnd("c")] == (
        assembler.feed([Fragment(1, complete=True)])
    )
    assert not assembler.close()


def test_a_reused_index_does_not_set_the_turn_back():
    """After a second call of a low index, the next index is live as before."""
    assembler = ToolCallAssembler()
    assembler.feed([Fragment(at, each, "f", "{}", complete=True) for at, each in [(0, "a"), (1, "b"), (0, "c")]])

    assert [ToolCallStart("d", "f"), ToolCallArgs("d", "{")] == assembler.feed([Fragment(2, "d", "f", "{")])


def test_the_wires_own_end_ends_the_calls():
    """After `Terminal` nothing more comes, so calls end with it and need not wait for the connection to close."""
    assembler = ToolCallAssembler()
    assembler.feed([Fragment(0, "a", "f", "{}"), Fragment(1, "b", "g", "{}")])

    assert assembler.feed([Terminal()]) == [
        ToolCallEnd("a"),
        ToolCallStart("b", "g"),
        ToolCallArgs("b", "{}"),
        ToolCallEnd("b"),
        Terminal(),
    ]
    assert assembler.close() == []


@pytest.mark.parametrize(
    "delta",
    [
        Text("t"),
        Thinking("h"),
        Refusal("r"),
        FINISH,
        ModelName("m"),
        Usage(TokenUsage(output_tokens=1)),
        Anomaly(Oddity.OTHER_CHOICE),
        Fault(kind=ErrorKind.SERVER, message="down"),
    ],
)
def test_everything_else_passes_at_once(delta):
    """What is not a fragment passes as it is, even while a call is live and others wait."""
    assembler = ToolCallAssembler()
    assembler.feed([Fragment(0, "a", "f", "{"), Fragment(1, "b", "g", "{")])

    (passed,) = assembler.feed([delta])

    assert passed is delta


@pytest.mark.parametrize("complete", [False, True])
def test_a_nameless_call_is_dropped_and_blocks_none(complete):
    """A call that never got a name comes out as an anomaly; the calls after it come out whole."""
    nameless = Fragment(0, "a", " ", "{}", complete=complete)

    assert [NAMELESS, ToolCallStart("b", "g"), ToolCallArgs("b", "{1}"), ToolCallEnd("b")] == [
        piece for piece in run([nameless, Fragment(1, "b", "g", "{1}", complete=True), FINISH]) if piece != FINISH
    ]


def test_a_complete_nameless_call_gives_the_turn_on_at_once():
    """Once no name can come any more, the next call is live."""
    out = ToolCallAssembler().feed([Fragment(0, "a", None, "{}", complete=True), Fragment(1, "b", "g", "{")])

    assert [NAMELESS, ToolCallStart("b", "g"), ToolCallArgs("b", "{")] == out


def test_what_comes_after_the_end_of_a_call_is_late():
    """A fragment of a call that was complete is passed over and counted; the call is not delivered again."""
    out = run([Fragment(0, "a", "f", "{1}", complete=True), Fragment(0, "a", "f", "{1}", complete=True), FINISH])

    assert [Call("a", "f", "{1}")] == calls(out)
    assert [LATE] == anomalies(out)


BROKEN = {
    "a live call": (
        [Fragment(0, "a", "f", "{")],
        [Call("a", "f", "{", ended=False)],
        [UNFINISHED],
    ),
    "a call that has not started": ([Fragment(0, "a", "f")], [], [UNFINISHED]),
    "a waiting call": (
        [Fragment(0, "a", "f", "{"), Fragment(1, "b", "g", "{")],
        [Call("a", "f", "{", ended=False)],
        [UNFINISHED, UNFINISHED],
    ),
    "a complete call behind one that broke off": (
        [Fragment(0, "a", "f", "{"), Fragment(1, "b", "g", "{}", complete=True)],
        [Call("a", "f", "{", ended=False)],
        [UNFINISHED, UNFINISHED],
    ),
    "a complete call behind one that never started": (
        [Fragment(0, "a", "f"), Fragment(1, "b", "g", "{}", complete=True)],
        [Call("b", "g", "{}")],
        [UNFINISHED],
    ),
    "a complete call behind a missing index": (
        [Fragment(2, "b", "g", "{}", complete=True), Fragment(1, "a", "f", "{")],
        [Call("b", "g", "{}")],
        [UNFINISHED],
    ),
    "a live call after a complete one": (
        [Fragment(0, "a", "f", "{}", complete=True), Fragment(1, "b", "g", "{")],
        [Call("a", "f", "{}"), Call("b", "g", "{", ended=False)],
        [UNFINISHED],
    ),
}


@pytest.mark.parametrize("broken_by", [[], [FINISH, Fault(kind=ErrorKind.CONNECTION, message="gone"), Terminal()]])
@pytest.mark.parametrize(("fragments", "expected", "odd"), BROKEN.values(), ids=BROKEN)
def test_a_broken_stream_ends_no_call(fragments, expected, odd, broken_by):
    """Without an end of the answer, or after a fault, only calls that were complete end, and the others are counted."""
    out = run([*fragments, *broken_by])

    assert expected == calls(out)
    assert odd == anomalies(out)


@pytest.mark.parametrize("reason", [FinishReason.LENGTH, FinishReason.CONTENT_FILTER])
@pytest.mark.parametrize("arguments", ["", '{"at":'])
def test_a_call_that_the_answer_was_cut_off_in_has_no_end(reason, arguments):
    """When the tokens ran out, the call last written to is half a call, and not one without arguments."""
    out = run([Fragment(0, "a", "f", "{}"), Fragment(1, "b", "g", arguments), Finish(reason), Terminal()])

    assert [Call("a", "f", "{}")] == calls(out)
    assert [UNFINISHED] == anomalies(out)


def test_a_complete_call_survives_a_cut_off():
    """What a fragment has called complete is, whatever the answer ended on."""
    out = run([Fragment(0, "a", "f", "{}", complete=True), Finish(FinishReason.LENGTH), Terminal()])

    assert [Call("a", "f", "{}")] == calls(out)
    assert not anomalies(out)


SMALL = Limits(max_tool_argument_bytes=10, max_tool_calls=3)


@pytest.mark.parametrize(
    ("fits", "too_much", "setting"),
    [
        ([Fragment(0, "a", "f", "0123456789")], Fragment(0, arguments="x"), "max_tool_argument_bytes"),
        ([Fragment(1, "a", "f", "01234567")], Fragment(1, arguments="x"), "max_tool_argument_bytes"),
        (
            [Fragment(1, "a", "f", "0123"), Fragment(2, "b", "g", "4")],
            Fragment(2, None, None, "xx"),
            "max_tool_argument_bytes",
        ),
        ([Fragment(0, None, None, "0123456789")], Fragment(0, arguments="x"), "max_tool_argument_bytes"),
        ([Fragment(0, None, "0123456789")], Fragment(0, name="x"), "max_tool_argument_bytes"),
        ([Fragment(0, "0123456789")], Fragment(1, "x"), "max_tool_argument_bytes"),
        ([Fragment(0, "a"), Fragment(5, "b"), Fragment(10**9, "c")], Fragment(6, "d"), "max_tool_calls"),
        ([Fragment(name="f", complete=True)] * 3, Fragment(name="f", complete=True), "max_tool_calls"),
    ],
)
def test_limits(fits, too_much, setting):
    """What waits, the arguments of each call and the number of calls have ceilings; what was made before them stays."""
    made = ToolCallAssembler(SMALL).feed(fits)
    assembler = ToolCallAssembler(SMALL)

    with pytest.raises(LimitExceeded) as caught:
        assembler.feed([*fits, too_much])

    assert setting == caught.value.setting
    assert made == caught.value.made


def test_what_has_gone_out_waits_no_more():
    """The ceiling is on what waits, not on all that an answer says."""
    arguments = "0123456789"
    first = [Fragment(0, None, "f", arguments, complete=True)]
    second = [Fragment(2, None, "h", "012345678"), Fragment(1, None, "g", arguments, complete=True)]

    assert [arguments, arguments, "012345678"] == [
        call.arguments for call in calls(run([*first, *second, FINISH], SMALL))
    ]


@pytest.mark.parametrize("index", [0, 1])
def test_long_arguments_in_small_pieces_take_linear_time(index):
    """Live or waiting: what is held is not copied for each piece."""

    def assemble(pieces: int) -> None:
        assembler = ToolCallAssembler()
        piece = Fragment(index, arguments="é")
        out = [*assembler.feed([Fragment(index, "a", "f"), *[piece] * pieces, FINISH]), *assembler.close()]
        arguments = "".join(piece.fragment for piece in out if isinstance(piece, ToolCallArgs))

        assert arguments == "é" * pieces

    assert_linear(assemble, 200_000)


def test_a_long_name_in_small_pieces_takes_linear_time():
    """So does a name that never ends."""

    def assemble(pieces: int) -> None:
        assembler = ToolCallAssembler()
        out = assembler.feed([Fragment(0, name="a"), *[Fragment(0, name="b")] * pieces, Fragment(0, arguments="{}")])

        assert out[0] == ToolCallStart("call_0", "a" + "b" * pieces)

    assert_linear(assemble, 200_000)
