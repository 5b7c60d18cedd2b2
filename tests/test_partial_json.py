"""JSON that is still being written: what is known of it at each cut, and what is no JSON at any."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any, NoReturn

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gestura.errors import InvalidValue
from gestura.partial_json import PartialJson

HARD = st.sampled_from(['"', "\\", "/", "\b", "\n", "\x00", "é", "😀", "\ud83d", "\ude00", "u", "`", "{"])
STRINGS = st.text(HARD | st.characters(), max_size=12)
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | STRINGS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(STRINGS, inner, max_size=4),
    max_leaves=12,
)


@st.composite
def documents(draw: st.DrawFn) -> str:
    """A value, written in one of the ways there are."""
    written = json.dumps(draw(VALUES), ensure_ascii=draw(st.booleans()), indent=draw(st.sampled_from([None, "\t", 1])))
    written = draw(st.sampled_from(["", " ", "\r\n\t"])) + written + draw(st.sampled_from(["", " \n"]))
    return f"```json\n{written}\n```" if draw(st.booleans()) else written


def cut(text: str, where: list[int]) -> list[str]:
    """`text` in pieces; in single characters where no cut is named."""
    places = sorted({0, len(text), *(place % (len(text) + 1) for place in where)}) if where else range(len(text) + 1)
    return [text[start:end] for start, end in pairwise(places)]


CUTS = st.lists(st.integers(0, 2000), max_size=8)


def unfenced(text: str) -> str:
    return text.removeprefix("```json\n").removesuffix("\n```")


def begins(early: Any, late: Any) -> bool:
    """Whether `early` is what `late` may have been before: only what was written last may have grown since."""
    match early, late:
        case str(), str():
            return late.startswith(early)
        case list(), list():
            *finished, _ = early or [None]
            return early == [] or (finished == late[: len(finished)] and begins(early[-1], late[len(finished)]))
        case dict(), dict():
            return list(early) == list(late)[: len(early)] and begins(list(early.values()), list(late.values()))
        case _:
            return repr(early) == repr(late)


@given(documents(), CUTS)
@example('"\\ud83d\\ude00\\ud83d"', [])
@example("-1.5e+10", [])
def test_in_the_end_it_is_what_json_says(text: str, where: list[int]) -> None:
    """Wherever the text was cut, and whether or not it stands in a fence."""
    partial = PartialJson()
    for piece in cut(text, where):
        partial.feed(piece)

    assert repr(json.loads(unfenced(text))) == repr(partial.close())
    assert partial.complete


@given(documents(), CUTS)
def test_what_is_shown_only_grows(text: str, where: list[int]) -> None:
    """Each state is a beginning of the last one, and `feed` tells whenever it has grown."""
    whole = json.loads(unfenced(text))
    partial = PartialJson()
    before = repr(partial.current)
    for piece in cut(text, where):
        has_grown = partial.feed(piece)
        now = repr(partial.current)

        assert has_grown or now == before
        assert partial.current is None or begins(partial.current, whole)
        before = now


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", None),
        ("  ", None),
        ("{", {}),
        ('{"na', {}),
        ('{"name', {}),
        ('{"name"', {}),
        ('{"name":', {}),
        ('{"name": "', {"name": ""}),
        ('{"name": "An', {"name": "An"}),
        ('{"name": "An\\', {"name": "An"}),
        ('{"name": "An\\u00', {"name": "An"}),
        ('{"name": "An\\ud83d', {"name": "An"}),
        ('{"name": "An\\ud83d\\ude00', {"name": "An😀"}),
        ('{"name": "An\\ud83d!', {"name": "An\ud83d!"}),
        ('{"age": 1', {}),
        ('{"age": 12,', {"age": 12}),
        ('{"age": -', {}),
        ('{"ok": tru', {}),
        ('{"ok": true', {"ok": True}),
        ('{"tags": [', {"tags": []}),
        ('{"tags": ["a", {"b": [1, 2', {"tags": ["a", {"b": [1]}]}),
        ('{"a": 1, "a": "x', {"a": "x"}),
        ("[[[", [[[]]]),
        ("12", None),
        ('"a', "a"),
        ("null", None),
        ("```json\n{", {}),
        ("``", None),
    ],
)
def test_what_a_beginning_means(text: str, shown: Any) -> None:
    """Strings and what holds others come with their first character, the rest when it is whole; fed at once or not."""
    at_once, slowly = PartialJson(), PartialJson()
    at_once.feed(text)
    for character in text:
        slowly.feed(character)

    assert shown == at_once.current == slowly.current


def test_it_is_one_live_object() -> None:
    """Nothing is copied, whatever is inside."""
    partial = PartialJson()
    partial.feed('{"steps": ["Mix')
    shown = partial.current
    inner = shown["steps"]
    partial.feed('", "Fry')

    assert shown is partial.current
    assert ["Mix", "Fry"] == inner


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("```json\n{}\n```", {}),
        ("\n ```JSON\r\n[1]``` \n", [1]),
        ("```\n1\n```", 1),
        ('```{"a": "```"}```', {"a": "```"}),
        ("```json\n{}", {}),
    ],
)
def test_a_fence_is_passed_over(text: str, value: Any) -> None:
    """With or without a word behind it, and whether or not it is closed."""
    partial = PartialJson()
    partial.feed(text)

    assert value == partial.close()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Here it is: {}", "expected a value at line 1, column 1"),
        ("{}\n\nI hope this helps!", "expected the end of the text at line 3, column 1"),
        ("{}```", "expected the end of the text at line 1, column 3"),
        ('{"a": 1,\n "b" 2}', "expected ':' at line 2, column 6"),
        ('{"a": 1 "b": 2}', "expected ',' or '}' at line 1, column 9"),
        ("[1 2]", "expected ',' or ']' at line 1, column 4"),
        ("[1}", "expected ',' or ']' at line 1, column 3"),
        ("[1,]", "expected a value at line 1, column 4"),
        ("{'a': 1}", "expected a key in double quotes at line 1, column 2"),
        ('{"a": 1,}', "expected a key in double quotes at line 1, column 9"),
        ("[nul]", "expected a value at line 1, column 2"),
        ("[NaN]", "expected a value at line 1, column 2"),
        ("[\n01]", "this is no number at line 2, column 1"),
        ("[-]", "this is no number at line 1, column 2"),
        ("1.", "this is no number at line 1, column 1"),
        ("9" * 5000, "a number of too many digits at line 1, column 1"),
        ('"a\nb"', "a control character in a string must be escaped at line 1, column 3"),
        ('"\\x"', "no such escape in a string at line 1, column 3"),
        ('"\\u12x"', "expected four hexadecimal digits at line 1, column 6"),
        ("[" * 129, "nested more than 128 deep at line 1, column 129"),
        ("", "there is no value at line 1, column 1"),
        ('{"a":\n"b', "the text ends too early at line 2, column 3"),
        ("[1", "the text ends too early at line 1, column 3"),
    ],
)
def test_what_is_no_json_is_refused(text: str, words: str) -> None:
    """With the place, the same for each cut, and again whenever it is asked."""
    for pieces in ([text], list(text)):
        partial = PartialJson()
        with pytest.raises(InvalidValue) as caught:
            feed_and_close(partial, pieces)

        assert f"not valid JSON: {words}" == str(caught.value)
        with pytest.raises(InvalidValue, match="not valid JSON"):
            partial.feed("")
        with pytest.raises(InvalidValue, match="not valid JSON"):
            partial.close()


def feed_and_close(partial: PartialJson, pieces: list[str]) -> Any:
    for piece in pieces:
        partial.feed(piece)
    return partial.close()


def test_what_came_before_a_mistake_stays() -> None:
    """As far as it was read."""
    partial = PartialJson()
    with pytest.raises(InvalidValue):
        partial.feed('{"a": [1, "x" oops')

    assert {"a": [1, "x"]} == partial.current


def test_the_depth_can_be_set() -> None:
    """As many containers inside one another as it says, and not one more."""
    partial = PartialJson(max_depth=2)
    partial.feed("[{}, [], ")
    with pytest.raises(InvalidValue, match="nested more than 2 deep"):
        partial.feed("[[")


TOKENS = [
    *'{}[]:,"',
    "0",
    "1",
    "-",
    ".",
    "e",
    "E+",
    "true",
    "fals",
    "null",
    '"a"',
    '"a":',
    "\\",
    "\\u0041",
    " ",
    "\n",
    "x",
]


@given(st.lists(st.sampled_from(TOKENS), max_size=12).map("".join), CUTS)
@example('{"a":1}x', [])
@example("[1]]", [])
def test_it_accepts_what_json_accepts(text: str, where: list[int]) -> None:
    """Text that is nearly JSON is read as `json` reads it, or refused with a place; the cuts don't matter."""
    outcomes = []
    for pieces in ([text], cut(text, where)):
        try:
            outcomes.append(repr(feed_and_close(PartialJson(), pieces)))
        except InvalidValue as error:
            outcomes.append(str(error))
    try:
        expected = repr(json.loads(text, parse_constant=refuse))
    except ValueError:
        assert outcomes[0].startswith("not valid JSON: ")
    else:
        assert expected == outcomes[0]
    assert outcomes[0] == outcomes[1]


def refuse(name: str) -> NoReturn:
    raise ValueError(name)


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    ("begin", "unit", "count"),
    [
        ('{"a": "', "x", 600_000),
        ('["\\u00e9', "\\u00e9", 30_000),
        ("[0", ",1", 100_000),
        ("[0.", "1", 200_000),
        ("{", " ", 200_000),
        ('{"', "k", 200_000),
        ("[", '{"a":"b"},', 30_000),
    ],
)
def test_single_characters_take_linear_time(begin: str, unit: str, count: int) -> None:
    """With a look after each: nothing is read or copied again and again, which would take minutes."""
    partial = PartialJson()
    partial.feed(begin)
    for _ in range(count):
        for character in unit:
            partial.feed(character)
            shown = partial.current

    assert isinstance(shown, list | dict)


def test_ten_megabytes_are_read_once() -> None:
    """A string that long is shown while it grows, but for its very end, and is whole when it ends."""
    partial = PartialJson()
    partial.feed('{"a": "')
    for size in range(100_000, 10_000_001, 100_000):
        partial.feed("x" * 100_000)

        assert 0.99 * size < len(partial.current["a"]) <= size
    partial.feed('"')

    assert 10_000_000 == len(partial.current["a"])


def test_a_short_string_is_shown_to_its_last_character() -> None:
    """What a person can read along is never behind."""
    partial = PartialJson()
    partial.feed('["')
    for size in range(1, 256):
        partial.feed("x")

        assert size == len(partial.current[0])
