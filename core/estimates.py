"""What a request is likely to need, known before any provider sees it. Rough on purpose, and never too low."""

from core.request import ImagePart, JobRequest, Kind
from core.result import Usage

CHARACTERS_PER_TOKEN = 3.5
TOKENS_PER_IMAGE = 1100
TOKENS_PER_TURN = 8
AUDIO_TOKENS_PER_CHARACTER = 1.7
MOST_CHARACTERS_A_PART = 4000  # of a narration, where its model takes as many
PART_SHARE = 0.7  # of the most: parts end where paragraphs and sentences do


def tokens_of(characters: int) -> int:
    """Tokens of so many characters of prose, rounded up."""
    return int(characters / CHARACTERS_PER_TOKEN) + 1


def parts_of(characters: int, most: int | None) -> int:
    """Parts of a narration of so many characters, about; `most`: what the model speaks at once."""
    whole = min(MOST_CHARACTERS_A_PART, most or MOST_CHARACTERS_A_PART)
    return 1 if characters <= whole else max(2, round(characters / (whole * PART_SHARE)))


def prompt_tokens(request: JobRequest) -> int:
    """Tokens of everything the provider will read."""
    if request.kind is not Kind.text:
        return sum(tokens_of(len(text)) for text in request.texts)
    total = tokens_of(len(request.system or ""))
    if request.messages is None:
        total += TOKENS_PER_TURN + tokens_of(len(request.prompt or ""))
    for turn in request.messages or ():
        total += TOKENS_PER_TURN
        if isinstance(turn.content, str):
            total += tokens_of(len(turn.content))
            continue
        for part in turn.content or ():
            total += TOKENS_PER_IMAGE if isinstance(part, ImagePart) else tokens_of(len(part.text))
    for extra in (request.tools, request.output_schema):
        total += tokens_of(len(str(extra))) if extra else 0
    return total


def most_usage(request: JobRequest, max_output_tokens: int | None) -> Usage:
    """The most that one call can use: the prompt, and as much answer as the caller or the model allows."""
    characters = sum(len(text) for text in request.texts) if request.kind is not Kind.text else 0
    if request.kind is Kind.text:
        answer = request.max_output_tokens or max_output_tokens or 8192
    elif request.kind is Kind.speech:
        answer = int(characters * AUDIO_TOKENS_PER_CHARACTER) + 1
    else:
        answer = 0
    return Usage(
        prompt_tokens=prompt_tokens(request),
        completion_tokens=answer,
        characters=characters if request.kind is Kind.speech else 0,
    )
