"""Tagged reasoning and the answer are told apart, wherever the stream is cut, and nothing but tags is lost."""

import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from linear import assert_linear

from gestura.chunks import FinishReason, Refusal, Text, Thinking
from gestura.errors import ConfigError, ErrorKind, Fault
from gestura.stages.deltas import Anomaly, Finish, ModelName, Oddity, Terminal, ToolCallFragment, Usage
from gestura.stages.think_tags import ThinkTagParser, split_think_blocks
from gestura.usage import TokenUsage

ORPHAN = Anomaly(Oddity.ORPHAN_THINK_TAG)
FRAGMENT = ToolCallFragment(index=0, id="a", name="look")
USAGE = Usage(TokenUsage(output_tokens=1))


def run(parser, deltas):
    """What the stage makes of `deltas`, each in a batch of its own."""
    out = []
    for delta in deltas:
        out += parser.feed([delta])
    return [*out, *parser.close()]


def merged(deltas):
    """The same with neighbouring pieces of one kind joined."""
    out = []
    for delta in deltas:
        if out and isinstance(delta, Text | Thinking) and type(out[-1]) is type(delta):
            out[-1] = type(delta)(out[-1].text + delta.text)
        else:
            out.append(delta)
    return out


def joined(deltas, kind):
    """All text of one kind."""
    return "".join(delta.text for delta in deltas if isinstance(delta, kind))


def pieces(text, cuts):
    """`text` cut at `cuts`, none of the pieces empty."""
    places = sorted({cut % (len(text) + 1) for cut in cuts} | {0, len(text)})
    return [Text(text[a:b]) for a, b in itertools.pairwise(places)]


def texts(tags=("think",)):
    """Text thick with tags, parts of tags and what merely looks like one."""
    whole = [f"{opening}{tag}>" for tag in tags for opening in ("<", "</")]
    parts = ["<", "</", ">", "<thi", "nk>", "<think", "</thin", "<thinking>", "<THINK>", "< think>", "a", " \n", "é😀"]
    return st.lists(st.sampled_from(whole + parts), max_size=12).map("".join)


cuts = st.lists(st.integers(0, 200), max_size=8)


def reference(text, tags, starts_inside):
    """The rules once more, one character at a time: pairs of (is it thinking, character)."""
    inside = any if starts_inside else None
    seen = False
    out = []
    at = 0
    while at < len(text):
        for tag in tags:
            if text.startswith(f"<{tag}>", at) and inside in (None, any):
                inside, seen, at = tag, True, at + len(f"<{tag}>")
                break
            if text.startswith(f"</{tag}>", at) and (inside in (tag, any) or not seen):
                inside, seen, at = None, True, at + len(f"</{tag}>")
                break
        else:
            out.append((inside is not None, text[at]))
            at += 1
    return out


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello.", [Text("Hello.")]),
        ("<think>a</think>b", [Thinking("a"), Text("b")]),
        ("<think>a</think>b<think>c</think>d", [Thinking("a"), Text("b"), Thinking("c"), Text("d")]),
        ("<think>\n\na\n</think>\n\nb", [Thinking("\n\na\n"), Text("\n\nb")]),
        ("a<think></think>b", [Text("ab")]),
        ("<think>never closed", [Thinking("never closed")]),
        ("<think>half a closer</thi", [Thinking("half a closer</thi")]),
        ("half an opener<think", [Text("half an opener<think")]),
        ("1 < 2 << 3 <", [Text("1 < 2 << 3 <")]),
        ("<<think>a<</think><", [Text("<"), Thinking("a<"), Text("<")]),
        ("<thinking>a</thinking>", [Text("<thinking>a</thinking>")]),
        ("<THINK>a</THINK>", [Text("<THINK>a</THINK>")]),
        ("<think >a</ think>", [Text("<think >a</ think>")]),
        ("<think>a<think>b</think>c</think>", [Thinking("a<think>b"), Text("c</think>")]),
        ("<think>a</think>b</think>c", [Thinking("a"), Text("b</think>c")]),
        ("a</think>b", [Text("a"), ORPHAN, Text("b")]),
        ("a</think>b<think>c</think>d</think>e", [Text("a"), ORPHAN, Text("b"), Thinking("c"), Text("d</think>e")]),
    ],
)
def test_examples_at_every_cut(text, expected):
    """Each example says the same whole, cut in two anywhere, and character by character."""
    for cuts in [range(len(text)), *([cut] for cut in range(len(text)))]:
        assert expected == merged(run(ThinkTagParser(), pieces(text, cuts)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a</think>b", [Thinking("a"), Text("b")]),
        ("<think>a</think>b", [Thinking("a"), Text("b")]),
        ("\n<think>a</think>b", [Thinking("\na"), Text("b")]),
        ("a</think>b<think>c</think>d", [Thinking("a"), Text("b"), Thinking("c"), Text("d")]),
        ("a</think>b</think>c", [Thinking("a"), Text("b</think>c")]),
        ("never closed", [Thinking("never closed")]),
    ],
)
def test_a_stream_known_to_start_inside(text, expected):
    """With `starts_inside`, what comes before the first closer is thinking, live, opener or not."""
    for cut in range(len(text)):
        assert expected == merged(run(ThinkTagParser(starts_inside=True), pieces(text, [cut])))


@given(
    texts(("think", "mm:think", "r")), st.sampled_from([("think",), ("think", "mm:think", "r")]), st.booleans(), cuts
)
@example("<thi<think>a</thin</think>b</th", ("think",), False, [4, 17])
@example("a</think>b</think>", ("think",), False, [3])
@example("<r>a</think>b</r>c", ("think", "mm:think", "r"), False, [2])
def test_any_cut_follows_the_rules_to_the_letter(text, tags, starts_inside, where):
    """However the text is cut, each character that is not part of a tag comes out once, in order, as what it is."""
    out = run(ThinkTagParser(tags, starts_inside=starts_inside), pieces(text, where))
    characters = [(isinstance(d, Thinking), c) for d in out if isinstance(d, Text | Thinking) for c in d.text]

    assert reference(text, tags, starts_inside) == characters


@given(texts(), cuts)
@example("a<think>b</thi", [3])
@example("a<<thin", [])
def test_only_the_beginning_of_a_tag_is_held_back(text, where):
    """What the end of the input releases is the beginning of a tag, and shorter than one; no piece is empty."""
    parser = ThinkTagParser()
    out = parser.feed(pieces(text, where))
    held = "".join(delta.text for delta in parser.close())

    assert text.endswith(held)
    assert held in {tag[:size] for tag in ("<think>", "</think>") for size in range(len(tag))}
    assert all(delta.text for delta in out if delta != ORPHAN)


def test_thinking_that_never_closes_is_told_live():
    """An open block does not wait for its closer."""
    parser = ThinkTagParser()

    assert [Thinking("Let me")] == parser.feed([Text("<think>Let me")])
    assert [Thinking(" see")] == parser.feed([Text(" see")])
    assert not parser.close()


def test_text_without_a_tag_passes_as_the_same_object():
    """Plain text costs no copy."""
    text = Text("plain")

    assert ThinkTagParser().feed([text])[0] is text


@pytest.mark.parametrize("delta", [USAGE, ModelName("m"), Anomaly(Oddity.UNKNOWN_EVENT)])
def test_what_comes_with_every_event_may_stand_inside_a_tag(delta):
    """Usage, model name and anomalies pass at once and do not break a split tag."""
    out = run(ThinkTagParser(), [Text("<thi"), delta, Text("nk>a</th"), delta, Text("ink>b")])

    assert [delta, Thinking("a"), delta, Text("b")] == out


@pytest.mark.parametrize(
    "delta",
    [
        FRAGMENT,
        Refusal("no"),
        Thinking("native"),
        Finish(FinishReason.STOP),
        Terminal(),
        Fault(kind=ErrorKind.SERVER, message="down"),
    ],
)
def test_the_beginning_of_a_tag_comes_out_before_what_follows_it(delta):
    """Before any other delta the held-back text is released, so the order of the stream is kept."""
    assert [Text("a"), Text("<thi"), delta, Text("nk>")] == run(ThinkTagParser(), [Text("a<thi"), delta, Text("nk>")])
    assert [Thinking("a"), Thinking("</thi"), delta] == run(ThinkTagParser(), [Text("<think>a</thi"), delta])


def test_a_closer_and_a_tool_call():
    """Thinking may end right before a tool call, and a block may go on behind one."""
    assert [Thinking("a"), FRAGMENT, Text("b")] == run(
        ThinkTagParser(), [Text("<think>a</think>"), FRAGMENT, Text("b")]
    )
    assert [Thinking("a"), FRAGMENT, Thinking("b"), Text("c")] == run(
        ThinkTagParser(), [Text("<think>a"), FRAGMENT, Text("b</think>c")]
    )


@pytest.mark.parametrize("starts_inside", [False, True])
def test_after_native_reasoning_a_tag_is_text(starts_inside):
    """A provider that sends reasoning of its own means its tags literally, from then on."""
    literal = [Text("write <think>"), Text("a</think> like "), Text("<thi")]

    out = run(ThinkTagParser(starts_inside=starts_inside), [Thinking("hm"), *literal])

    assert [Thinking("hm"), *literal] == out


def test_native_reasoning_shows_an_open_tag_to_have_been_literal():
    """A block that is open when native reasoning comes ends there."""
    out = run(ThinkTagParser(), [Text("The <think> tag"), Thinking("hm"), Text(" opens.")])

    assert [Text("The "), Thinking(" tag"), Thinking("hm"), Text(" opens.")] == out


def test_empty_reasoning_is_none():
    """Servers that send an empty reasoning field with every event may still use tags."""
    out = run(ThinkTagParser(), [Thinking(""), Text("<think>a</think>b")])

    assert [Thinking(""), Thinking("a"), Text("b")] == out


def test_a_block_is_closed_by_its_own_name():
    """Of several tag names, only the one that opened a block closes it."""
    parser = ThinkTagParser(("think", "mm:think"))

    out = run(parser, [Text("<mm:think>a</think>b</mm:think>c<think>d</think>e")])

    assert [Thinking("a</think>b"), Text("c"), Thinking("d"), Text("e")] == out


@pytest.mark.parametrize("tags", [(), ("",), ("<think>",), ("a b",), ("think", "/think")])
def test_names_that_can_not_be_tags_are_refused(tags):
    """A tag name is not empty and holds nothing that a tag is made of."""
    with pytest.raises(ConfigError):
        ThinkTagParser(tags)
    with pytest.raises(ConfigError):
        split_think_blocks("", tags)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ("", None)),
        ("Hello.", ("Hello.", None)),
        ("<think>a</think>b", ("b", "a")),
        ("<think>a</think>b<think>c</think>d", ("bd", "ac")),
        ("<think>\n\n</think>\n\nb", ("\n\nb", "\n\n")),
        ("<think></think>b", ("b", None)),
        ("<think>a", ("", "a")),
        ("a</think>b", ("b", "a")),
        ("a</think>b<think>c</think>d</think>", ("bd</think>", "ac")),
        ("b<thi", ("b<thi", None)),
        ("<think>a</thi", ("", "a</thi")),
    ],
)
def test_split_think_blocks(text, expected):
    """A whole answer is split into its content and its thinking; before an orphan closer all is thinking."""
    assert expected == split_think_blocks(text)


@given(texts(), cuts)
def test_the_whole_and_the_stream_agree(text, where):
    """`split_think_blocks` gives what a stream gives whose start is known."""
    content, thinking = split_think_blocks(text)
    opener, closer = text.find("<think>"), text.find("</think>")
    parser = ThinkTagParser(starts_inside=closer >= 0 and (opener < 0 or closer < opener))
    out = run(parser, pieces(text, where))

    assert (content, thinking or "") == (joined(out, Text), joined(out, Thinking))


@pytest.mark.timeout(30)
@pytest.mark.parametrize("unit", ["<think>a</think>b", "<think>", "<", "</thin", "x"])
def test_ten_megabytes_at_once_take_linear_time(unit):
    """A text of any shape is searched once: were it searched again per tag, this would take hours."""
    text = unit * (10_000_000 // len(unit))

    content, thinking = split_think_blocks(text, ("think", "absent"))

    assert len(content) + len(thinking or "") > 0.05 * len(text)


@pytest.mark.parametrize("prefix", ["", "<think>"])
def test_many_deltas_take_linear_time(prefix):
    """One character at a time costs no more than the characters: nothing told is looked at again."""

    def parse(deltas: int) -> None:
        parser = ThinkTagParser()
        parser.feed([Text(prefix)])
        out = parser.feed([Text("<")] * (deltas // 2) + [Text("a")] * (deltas // 2))

        assert sum(len(delta.text) for delta in out) == deltas

    assert_linear(parse, 200_000)
