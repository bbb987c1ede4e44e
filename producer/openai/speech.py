"""`POST /v1/audio/speech`: a request in; what comes out are bytes."""

from collections.abc import Mapping
from typing import Any

from producer.openai.asking import Asked, only, said
from producer.openai.errors import Refusal


def read_speech(body: Mapping[str, Any]) -> Asked:
    """Raises Refusal."""
    fields = {"kind": "speech", **said(body, "model", "input", "instructions", "speed")}
    fields["format"] = body.get("response_format") or "mp3"
    if (voice := body.get("voice")) is not None:
        fields["voice"] = _voice(voice)
    return Asked(fields, {"format": "response_format"})


def _voice(voice: Any) -> Any:
    """A name, or OpenAI's `{"id": …}`."""
    if not isinstance(voice, dict):
        return voice
    only(voice, "voice", "id")
    if not isinstance(voice.get("id"), str):
        raise Refusal("'voice' is a name, or an object with its id.", "voice.id", "invalid_type")
    return voice["id"]
