"""Prose of any length for tests: paragraphs, sentences, a line of speech here and there."""

import random

WORDS = (
    "the lighthouse keeper counted ships and stars until morning came over a grey sea while somebody below sang of "
    "home rope tar salt gulls lanterns letters storms bread maps doors brothers windows nobody opened"
).split()


def chapter(characters: int, seed: int) -> str:
    """The same text for the same numbers."""
    draw = random.Random(seed)
    paragraphs: list[str] = []
    while sum(map(len, paragraphs)) < characters:
        sentences = [_sentence(draw) for _ in range(1 if draw.random() < 0.2 else draw.randint(3, 8))]
        paragraphs.append(" ".join(sentences))
    return "\n\n".join(paragraphs)[:characters].strip()


def _sentence(draw: random.Random) -> str:
    words = draw.choices(WORDS, k=draw.randint(4, 22))
    return " ".join(words).capitalize() + draw.choice(".....!?…")
