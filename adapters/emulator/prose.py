"""Text that reads like a story, the same for the same prompt; and counting tokens."""

import random
import re

NAMES = ("Mara", "Old Tobin", "Ilse", "the keeper", "Edda", "Jonas", "the ferryman", "Wren")
PLACES = ("the harbour", "the lamp room", "the north stair", "the salt marsh", "the boathouse", "the far shore")
OPENINGS = (
    "Morning came to {place} without any colour in it.",
    "{name} had counted the steps so often that the dark made no difference.",
    "Nobody at {place} spoke of the light that had failed.",
    "The wind had turned in the night, and {name} woke because of the silence.",
)
MIDDLES = (
    "{name} carried the lantern to {place} and set it down where the floor was dry.",
    "Something about {thing} would not leave {name} alone.",
    "They found {thing} where the tide had left it, wrapped in a coat that was not theirs.",
    '"It was here before us," said {name}, and for a while nobody answered.',
    "From {place} one could hear the bell, though no hand had touched it for years.",
    "{name} laughed, not because it was funny, but because somebody had to.",
    "By noon the fog had eaten {place} and was coming up the path.",
    "What {name} remembered best afterwards was the smell of tar and oranges.",
    "Twice {name} wrote the name into the book, and twice the ink ran.",
    "The gulls went quiet all at once, the way a room does when a door opens.",
)
CLOSINGS = (
    "When the light came back, {name} was already on the stairs.",
    "{name} closed the book, and did not write down the hour.",
    "Far out, very small, something answered.",
)
COMMON = frozenset(
    "The A An And But Or If When Then They It He She We You I In On At By For From To Of With Write Generate Answer "
    "Return JSON Each Chapter Story Outline Title Summary Make Give Use Keep Say Name Tell This That These Here What "
    "Who How Why Where Your Our Their His Her Its As Not No Yes Do Be Is Are".split()
)
CHARACTERS_PER_TOKEN = 4


def count_tokens(text: str) -> int:
    """About four characters a token, at least one."""
    return max(1, round(len(text) / CHARACTERS_PER_TOKEN)) if text else 0


def cut_tokens(text: str, tokens: int) -> str:
    """As much of the text as so many tokens hold."""
    return text[: max(0, tokens * CHARACTERS_PER_TOKEN - 2)].rstrip()


def write_prose(prompt: str, seed: str) -> str:
    """A passage about what the prompt names; `about N words` in the prompt is honoured."""
    rng = random.Random(f"{seed}\n{prompt}")  # noqa: S311  the same prompt shall give the same text
    words = _wanted_words(prompt)
    names = [name for name in dict.fromkeys(re.findall(r"\b[A-Z][a-z]{2,}\b", prompt)) if name not in COMMON][:6]
    text = _sentence(rng, OPENINGS, names)
    paragraph = 1
    while len(text.split()) < words - 12:
        paragraph += 1
        text += ("\n\n" if paragraph % 4 == 0 else " ") + _sentence(rng, MIDDLES, names)
    return text + " " + _sentence(rng, CLOSINGS, names)


def write_phrase(subject: str, seed: str, words: int) -> str:
    """A few words for a field called `subject`."""
    rng = random.Random(f"{seed}\n{subject}")  # noqa: S311  the same field shall give the same words
    name = rng.choice(NAMES)
    match re.sub(r"[^a-z]", "", subject.lower()):
        case "title" | "headline":
            return rng.choice(
                ("The Lamp at Four", "Salt and Iron", "What the Tide Kept", "The Quiet Bell", "North Stair")
            )
        case "name" | "character" | "author":
            return name[:1].upper() + name[1:]
        case "location" | "place" | "setting":
            place = rng.choice(PLACES)
            return place[:1].upper() + place[1:]
        case _:
            return " ".join(_sentence(rng, MIDDLES, []) for _ in range(max(1, words // 14)))


def _wanted_words(prompt: str) -> int:
    if named := re.search(r"\b(?:about|around|roughly|~)?\s*(\d{2,5})\s+words\b", prompt):
        return min(int(named[1]), 20_000)
    return 120 if re.search(r"story|chapter|tale|scene", prompt, re.IGNORECASE) else 40


def _sentence(rng: random.Random, forms: tuple[str, ...], names: list[str]) -> str:
    name = rng.choice(names) if names and rng.random() < 0.6 else rng.choice(NAMES)
    thing = rng.choice(("the logbook", "the brass key", "the second lamp", "a letter", "the chart", "the broken glass"))
    text = rng.choice(forms).format(name=name, place=rng.choice(PLACES), thing=thing)
    return text[:1].upper() + text[1:]
