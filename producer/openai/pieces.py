"""A whole text in pieces, for streams: the answer is there when its job is over."""

from collections.abc import Iterator

PIECE = 60


def pieces(text: str) -> Iterator[str]:
    """Pieces that end behind a space where there is one; together they are the text."""
    start = 0
    while start < len(text):
        end = start + PIECE
        if end < len(text) and (space := text.rfind(" ", start, end)) > start:
            end = space + 1
        yield text[start:end]
        start = end
