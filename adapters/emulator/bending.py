"""Answers bent on request: what the faults of the answer make of a text."""


def bend(content: str, bent: str) -> tuple[str, str]:
    """Content and finish reason under a fault of the answer."""
    match bent:
        case "empty":
            return "", "stop"
        case "truncated":
            return content[: max(1, len(content) // 2)], "length"
        case "badjson":
            return '{"title": "The Lamp at Fo', "stop"
        case "badschema":
            return '"not what was asked for"', "stop"
        case _:
            return content, "stop"
