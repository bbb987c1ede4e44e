"""A long text into parts: nothing lost, nothing too long, and little changed by an edit."""

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.splitting import SpokenPart, split_text, spoken_size
from core.estimates import MOST_CHARACTERS_A_PART, parts_of
from tests.prose import chapter


def bare(text: str) -> str:
    return "".join(text.split())


def bought_again(before: list[SpokenPart], after: list[SpokenPart]) -> int:
    known = {(part.text, part.previous, part.following) for part in before}
    return sum((part.text, part.previous, part.following) not in known for part in after)


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=4000), st.integers(20, 500), st.booleans())
def test_nothing_is_lost_and_no_part_is_too_long(text: str, limit: int, context: bool) -> None:
    parts = split_text(text, limit, context=context)
    assert bare("".join(part.text for part in parts)) == bare(text)
    assert [part.number for part in parts] == list(range(1, len(parts) + 1))
    if len(parts) > 1:
        assert all(0 < len(part.text) <= limit for part in parts)
        assert all(len(part.previous) <= 300 and len(part.following) <= 300 for part in parts)


def test_a_text_that_fits_stays_as_it_is() -> None:
    text = "  One paragraph. \n\n Another one.  "
    assert [part.text for part in split_text(text)] == [text]


def test_parts_end_where_paragraphs_end() -> None:
    parts = split_text(chapter(60_000, 1))
    assert 15 <= len(parts) <= 38
    assert all(part.ends_paragraph for part in parts)
    assert max(len(part.text) for part in parts) <= MOST_CHARACTERS_A_PART


def test_about_how_many_parts_is_known_from_the_length() -> None:
    for length in (3_000, 4_500, 20_000, 60_000):
        text = chapter(length, 2)
        for limit in (1_000, 4_000, None):
            assert parts_of(spoken_size(text), limit) == pytest.approx(len(split_text(text, limit)), rel=0.2, abs=1)
    assert (parts_of(0, 4_000), parts_of(4_000, 40_000), parts_of(4_001, None)) == (1, 1, 2)


def test_a_wall_of_text_is_cut_at_sentences_then_clauses_then_words() -> None:
    sentences = "Mr. Smith looked at No. 7. He said so. " * 200
    assert all(part.text.endswith(("7.", "so.")) for part in split_text(sentences, 500))
    clauses = "and then he went on, but she stayed behind; " * 200
    assert all(part.text.endswith((",", ";")) for part in split_text(clauses, 500)[:-1])
    words = "word " * 2000
    assert {word for part in split_text(words, 500) for word in part.text.split()} == {"word"}


def test_an_accent_stays_with_its_letter_and_a_family_together() -> None:
    for glyph in ("e\u0301", "👨\u200d👩\u200d👧"):
        parts = split_text(glyph * 400, 100)
        assert len(parts) > 1
        assert all(part.text.startswith(glyph[0]) and part.text.endswith(glyph[-1]) for part in parts)


def test_wide_scripts_get_shorter_parts_because_they_take_longer_to_say() -> None:
    parts = split_text("灯台守は夜ごと船を数え、星を数えた。" * 300)
    assert all(part.text.endswith("。") for part in parts)
    assert max(len(part.text) for part in parts) <= MOST_CHARACTERS_A_PART / 3
    assert spoken_size("船a") == 4


def test_context_is_the_whole_sentences_around_a_part() -> None:
    parts = split_text(chapter(20_000, 3), context=True)
    assert parts[0].previous == "" == parts[-1].following
    for one, two in itertools.pairwise(parts):
        assert one.text.endswith(two.previous)
        assert two.text.startswith(one.following)
        assert one.following
        assert two.previous


@pytest.mark.parametrize("context", [False, True])
def test_a_changed_word_changes_at_most_three_parts(context: bool) -> None:
    """Over many chapters and places; a cut that moves because of the new length must find back soon."""
    draw = random.Random(7)
    changed = []
    for seed in range(10):
        text = chapter(60_000, seed)
        before = split_text(text, context=context)
        for _ in range(5):
            words = text.split(" ")
            place = draw.randrange(len(words))
            words[place] = words[place][:-1] + "extraordinarily" + words[place][-1:]
            changed.append(bought_again(before, split_text(" ".join(words), context=context)))
    assert min(changed) >= 1
    assert sum(count > 3 for count in changed) <= len(changed) * 0.02
    assert max(changed) <= 8


def test_a_changed_paragraph_of_ten_leaves_the_others_alone() -> None:
    paragraphs = chapter(200_000, 5).split("\n\n")
    longest = [" ".join(paragraphs[ten : ten + 6]) for ten in range(0, 60, 6)]
    before = split_text("\n\n".join(longest))
    for place in range(10):
        edited = [*longest]
        edited[place] = "This one is new. " * 120
        assert bought_again(before, split_text("\n\n".join(edited))) <= 3
