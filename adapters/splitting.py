"""A long text into parts that are spoken one by one. Pure, and stable under edits.

Parts end at paragraphs where one ends in reach, else at sentences, else between clauses or words. Which of the ends
in reach is taken depends on the words just before it and not on what was counted so far. So after an edit the same
ends are found again, and only the parts that it touches change.
"""

import hashlib
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from core.estimates import MOST_CHARACTERS_A_PART

_LEAST_SHARE = 0.4
_CONTEXT_CHARACTERS = 300
_WIDE = "\u2e80"  # from here on, scripts whose characters take about three times as long to say
_WIDE_WEIGHT = 3

_GAP = re.compile(r"[。！？｡][」』”’）]*\s*|[、，；：]\s*|\s+")
_SENTENCE = re.compile(r"([.!?…])[\"'”’»)\]]*$")
_CLAUSE = re.compile(r"[,;:—–][\"'”’»)\]]*$")
_ABBREVIATION = re.compile(r"(?:^|[\s(\"“„])(?:[A-ZÄÖÜ][a-z]?|Mrs|Prof|etc|bzw|vs|No|Nr|approx)\.$")


class Gap(IntEnum):
    """What a cut between two characters would part."""

    word = 0
    clause = 1
    sentence = 2
    paragraph = 3


@dataclass(frozen=True, slots=True)
class SpokenPart:
    """`previous` and `following` are the words around it, for models that take context."""

    number: int
    text: str
    previous: str
    following: str
    ends_paragraph: bool


@dataclass(frozen=True, slots=True)
class _Piece:
    """What is never cut, with the white space behind it."""

    text: str
    size: int
    ends_paragraph: bool

    @property
    def rank(self) -> tuple[bool, bytes]:
        """Where to end a part rather: after a paragraph; among equals, where the words say so."""
        return not self.ends_paragraph, hashlib.sha256(self.text.strip().encode()).digest()


def spoken_size(text: str) -> int:
    """Characters, those of wide scripts counted three times: about how long it takes to say."""
    if text.isascii():
        return len(text)
    return len(text) + (_WIDE_WEIGHT - 1) * sum(character >= _WIDE for character in text)


def split_text(text: str, limit: int | None = None, *, context: bool = False) -> list[SpokenPart]:
    """`limit` is the most characters that the model takes at once. With `context`, parts know their surroundings.

    A text that fits stays whole. Nothing is lost but white space at the ends of parts.
    """
    most = min(MOST_CHARACTERS_A_PART, limit or MOST_CHARACTERS_A_PART)
    if spoken_size(text) <= most:
        return [SpokenPart(1, text, "", "", ends_paragraph=True)]
    groups = _group([piece for piece in _pieces(text, most) if piece.text.strip()], most)
    spoken = [("".join(piece.text for piece in group).strip(), group[-1].ends_paragraph) for group in groups]
    return [
        SpokenPart(
            number=place + 1,
            text=said,
            previous=_tail(spoken[place - 1][0]) if context and place else "",
            following=_head(spoken[place + 1][0]) if context and place + 1 < len(spoken) else "",
            ends_paragraph=ends_paragraph,
        )
        for place, (said, ends_paragraph) in enumerate(spoken)
    ]


def _pieces(text: str, most: int, least: Gap = Gap.sentence, *, ends_paragraph: bool = True) -> Iterator[_Piece]:
    """Sentences; what is longer than `most` falls apart at its clauses, then its words, then anywhere."""
    gaps = ((match.end(), _gap_at(text, match)) for match in _GAP.finditer(text) if match.end() < len(text))
    cuts = [(end, gap) for end, gap in gaps if gap >= least]
    start = 0
    for end, gap in [*cuts, (len(text), Gap.paragraph if ends_paragraph else Gap.word)]:
        piece, closes = text[start:end], gap is Gap.paragraph
        start = end
        if (size := spoken_size(piece)) <= most:
            yield _Piece(piece, size, closes)
        elif least > Gap.word:
            yield from _pieces(piece, most, Gap(least - 1), ends_paragraph=closes)
        else:
            runs = list(_runs(piece, most // _WIDE_WEIGHT))
            yield from (_Piece(run, spoken_size(run), closes and run is runs[-1]) for run in runs)


def _runs(text: str, most: int) -> Iterator[str]:
    """Text without a gap, never cut between a letter and its accent or inside a joined emoji."""
    start = 0
    while len(text) - start > most:
        end = start + most
        while end > start + 1 and _joined(text, end):
            end -= 1
        yield text[start:end]
        start = end
    yield text[start:]


def _joined(text: str, place: int) -> bool:
    return bool(unicodedata.combining(text[place])) or text[place] in "\u200d\ufe0f" or text[place - 1] == "\u200d"


def _gap_at(text: str, match: re.Match[str]) -> Gap:
    space, before = match.group(), text[max(0, match.start() - 12) : match.start()]
    if space.count("\n") > 1 or "\u2029" in space:
        return Gap.paragraph
    if "\n" in space or space[0] in "。！？｡":
        return Gap.sentence
    if (end := _SENTENCE.search(before)) is not None:
        follower = text[match.end() : match.end() + 1]
        doubtful = end.group(1) == "." and (follower.islower() or _ABBREVIATION.search(before) is not None)
        return Gap.word if doubtful else Gap.sentence
    return Gap.clause if space[0] in "、，；：" or _CLAUSE.search(before) else Gap.word


def _group(pieces: list[_Piece], most: int) -> Iterator[list[_Piece]]:
    start = 0
    while start < len(pieces):
        end = _choose_end(pieces, start, most)
        yield pieces[start:end]
        start = end


def _choose_end(pieces: list[_Piece], start: int, most: int) -> int:
    """One past the last piece of the part that begins at `start`: the best end in reach, the last of equals."""
    size, in_reach = 0, []
    for place in range(start, len(pieces)):
        size += pieces[place].size
        if size > most:
            break
        if size >= most * _LEAST_SHARE:
            in_reach.append(place)
        furthest = place
    else:
        return len(pieces)
    return min(in_reach or [furthest], key=lambda place: (pieces[place].rank, -place)) + 1


def _tail(text: str) -> str:
    """The last whole sentences of the part before, as many as are short enough."""
    if len(text) <= _CONTEXT_CHARACTERS:
        return text
    cut = text[-_CONTEXT_CHARACTERS:]
    ends = _gaps(cut)
    return cut[ends[0] :] if ends else cut


def _head(text: str) -> str:
    """The first whole sentences of the part behind."""
    if len(text) <= _CONTEXT_CHARACTERS:
        return text
    cut = text[:_CONTEXT_CHARACTERS]
    ends = _gaps(cut)
    return cut[: ends[-1]].rstrip() if ends else cut


def _gaps(text: str) -> list[int]:
    """Where sentences end inside a text, else words."""
    gaps = [(match.end(), _gap_at(text, match)) for match in _GAP.finditer(text)]
    return [end for end, gap in gaps if gap >= Gap.sentence] or [end for end, _ in gaps]
