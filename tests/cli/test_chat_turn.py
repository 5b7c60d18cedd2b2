"""What is kept of a turn, whatever became of it."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gestura import (
    Cancelled,
    ContextOverflow,
    Done,
    Ending,
    Error,
    Message,
    Paused,
    RefusalPart,
    Request,
    TextPart,
    ThinkingPart,
    ToolCall,
    ToolResult,
    assistant,
    tool_result,
    user,
)
from gestura.cli.chatting.turn import STOPPED, Turn

QUESTION = user("Rain?")
ASKED = Request(messages=(QUESTION,))
OSLO, LIMA = ToolCall("a", "weather", '{"city": "Oslo"}'), ToolCall("b", "weather", '{"city": "Lima"}')
IN_LIMA = ToolResult("b", (TextPart("foggy"),))
STOPPED_OSLO = ToolResult("a", (TextPart(STOPPED),), is_error=True)
REFUSAL = RefusalPart("No.")
LOOKED_UP = (assistant("Let me look.", OSLO), tool_result(OSLO, "sunny"))


def turn(*runs: tuple[tuple[Message, ...], Ending]) -> Turn:
    """A turn that was run, and gone on with, in this way."""
    result = Turn(messages=(QUESTION,))
    for added, ending in runs:
        result = result.after(added, ending, ASKED)
    return result


def paused(*said: str | ThinkingPart | ToolCall, results: tuple[ToolResult, ...] | None = None) -> Paused:
    return Paused(partial=assistant(*said) if said else None, request=ASKED, tool_results=results)


SEALED = ThinkingPart("Hm", signature="s", sealed_by="gemini")


@pytest.mark.parametrize(
    ("runs", "kept"),
    [
        # Complete.
        ([((assistant("No."),), Done())], (QUESTION, assistant("No."))),
        ([((*LOOKED_UP, assistant("No.")), Done())], (QUESTION, *LOOKED_UP, assistant("No."))),
        # Nothing was answered.
        ([((), Done())], ()),
        ([((), paused())], ()),
        ([((), paused(ThinkingPart("Hm")))], ()),
        ([((), Error("down"))], ()),
        ([((), ContextOverflow("too long"))], ()),
        # It broke off. A call that was not run is not kept: gone on with, the model makes it again.
        ([((), paused("Half"))], (QUESTION, assistant("Half"))),
        ([((), paused(SEALED, "Half"))], (QUESTION, assistant(SEALED, "Half"))),
        ([((), paused("See:", OSLO))], (QUESTION, assistant("See:"))),
        ([((), Error("down", partial=assistant("Half")))], (QUESTION, assistant("Half"))),
        ([((), Cancelled(partial=assistant("Half")))], (QUESTION, assistant("Half"))),
        ([(LOOKED_UP, paused())], (QUESTION, *LOOKED_UP)),
        ([(LOOKED_UP, paused("Ha"))], (QUESTION, *LOOKED_UP, assistant("Ha"))),
        # It was gone on with: the pieces are one answer.
        ([((), paused("Ha")), ((assistant("lf."),), Done())], (QUESTION, assistant("Half."))),
        ([((), paused("H")), ((), paused("al")), ((assistant("f."),), Done())], (QUESTION, assistant("Half."))),
        ([((), paused("Ha")), ((), paused())], (QUESTION, assistant("Ha"))),
        ([((), paused("Half.")), ((), Done())], (QUESTION, assistant("Half."))),
        ([((), paused("Ha")), ((assistant(REFUSAL),), Done())], (QUESTION, assistant("Ha", REFUSAL))),
        (
            [((), paused("Let me ")), ((assistant("look.", OSLO), LOOKED_UP[1], assistant("No.")), Done())],
            (QUESTION, *LOOKED_UP, assistant("No.")),
        ),
        # It was paused while tools ran.
        (
            [((), paused("Look:", OSLO, LIMA, results=(IN_LIMA,)))],
            (QUESTION, assistant("Look:", OSLO, LIMA), user(STOPPED_OSLO, IN_LIMA)),
        ),
        (
            [((), paused("Look:", OSLO, results=())), ((assistant("Look:", OSLO), LOOKED_UP[1]), paused("No"))],
            (QUESTION, assistant("Look:", OSLO), LOOKED_UP[1], assistant("No")),
        ),
        (
            [((), paused("Lo")), ((), paused("ok:", OSLO, results=()))],
            (QUESTION, assistant("Look:", OSLO), user(STOPPED_OSLO)),
        ),
        (
            [
                ((), paused("Lo")),
                ((), paused("ok:", OSLO, results=())),
                ((assistant("ok:", OSLO), LOOKED_UP[1], assistant("No.")), Done()),
            ],
            (QUESTION, assistant("Look:", OSLO), LOOKED_UP[1], assistant("No.")),
        ),
    ],
)
def test_what_is_kept(runs: list[tuple[tuple[Message, ...], Ending]], kept: tuple[Message, ...]) -> None:
    """Whole answers as they are, one that came in pieces as one, and no question that nothing was answered to."""
    assert kept == turn(*runs).settled()


PARTS = st.lists(st.sampled_from(["Ha", "lf.", "", SEALED, ThinkingPart("Hm"), REFUSAL, OSLO, LIMA]), max_size=4)


@st.composite
def pauses(draw: st.DrawFn) -> Paused:
    """Any way in which an answer can break off; in its tools only if it has calls."""
    said = paused(*dict.fromkeys(draw(PARTS)))
    calls = said.partial.tool_calls if said.partial is not None else ()
    if not calls or draw(st.booleans()):
        return said
    return attrs.evolve(said, tool_results=tuple(tool_result(call, "sunny").tool_results[0] for call in calls[1:]))


@given(st.lists(pauses(), max_size=4))
def test_a_conversation_can_go_on_from_anywhere(ends: list[Paused]) -> None:
    """However often an answer breaks off, and where: what is kept can be sent with the next question."""
    result = turn()
    for ending in ends:
        before = result.paused
        in_tools = before is not None and before.tool_results is not None
        added = (before.partial, *map(result_of, before.partial.tool_calls)) if in_tools else ()
        result = result.after(added, ending, ASKED)

    assert Request(messages=(*result.settled(), user("And tomorrow?")))


def result_of(call: ToolCall) -> Message:
    return tool_result(call, "sunny")
