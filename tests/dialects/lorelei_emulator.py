"""What Lorelei answers, and what it refuses: `python -m adapters.emulator --dialect tests.dialects.lorelei_emulator:Lorelei`."""

import base64
import hashlib
import json
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from adapters.emulator.bending import bend
from adapters.emulator.faults import Fault, split_model
from adapters.emulator.instances import InstanceMaker
from adapters.emulator.prose import count_tokens, cut_tokens, write_prose
from adapters.emulator.vectors import embed
from adapters.emulator.wire import Emulator, Prepared, Refused, describe_pictures, json_response, request_id

WINDOW, MAP_WINDOW = 100_000, 8_000
FIELDS = {"engine", "scene", "limit", "heat", "spread", "until", "dice", "think", "abilities", "ability", "shape"}
WHO = ("stage", "reader", "author", "stagehand")
ERRORS = {
    "429": (429, "too_fast", "Not so fast."), "500": (500, "broken", "Something broke."),
    "503": (503, "busy", "The rock is crowded."), "529": (529, "busy", "The rock is crowded."),
    "quota": (402, "empty_purse", "Your purse is empty."), "badkey": (401, "wrong_key", "This key opens nothing."),
    "policy": (451, "not_for_telling", "This is not for telling."), "context": (400, "too_long", "The scene is too long."),
    "notfound": (404, "no_engine", "There is no such engine."), "region": (403, "far_away", "Not sung where you are."),
}  # fmt: skip


class Lorelei:
    """Lorelei's dialect."""

    provider = "lorelei"

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator

    def routes(self) -> list[Route]:
        """Below `/lorelei`."""
        return [
            Route("/v3/compose", self.compose, methods=["POST"]),
            Route("/v3/map", self.map, methods=["POST"]),
        ]

    async def compose(self, request: Request) -> Response:
        return await self._emulator.call(request, self, self._prepare)

    async def map(self, request: Request) -> Response:
        return await self._emulator.call(request, self, _prepare_map)

    def invalid(self, message: str, *, code: str | None = None, param: str | None = None) -> Refused:
        return _refuse(400, code or "nonsense", f"{param}: {message}" if param else message)

    def error(self, fault: Fault) -> Response:
        status, name, words = ERRORS[fault.name]
        headers = {"retry-after": f"{fault.value:g}"} if fault.name == "429" else {}
        return _answer(status, name, words, headers)

    def _prepare(self, request: Request, body: dict[str, Any]) -> Prepared:
        _check_key(request)
        engine, asked = _engine(body, "lorelei-2")
        text, pictures = _check(body)
        tokens = count_tokens(text) + 700 * len(pictures) + count_tokens(json.dumps(body.get("shape") or ""))
        if tokens > WINDOW:
            raise _refuse(400, "too_long", "The scene is too long.")

        async def respond(fault: Fault | None) -> Response:
            bent = fault.name if fault else ""
            piece = self._piece(body, text, pictures, bent)
            thought = 0 if body.get("think") == "none" else 40 + len(text) % 20
            words = piece["says"] or json.dumps(piece.get("calls") or "")
            limit = body.get("limit")
            if limit is not None and piece["says"] and count_tokens(words) + thought > limit:
                thought = min(thought, limit)
                words = piece["says"] = cut_tokens(words, limit - thought)
                piece["end"] = "limit"
            meter = {
                "in": tokens, "out": count_tokens(words), "thought": thought,
                "remembered": self._emulator.cached_tokens(text, tokens),
            }  # fmt: skip
            return json_response({"piece": piece, "meter": meter, "engine": engine, "ticket": request_id("lo", body)})

        return Prepared(engine, asked, text, "text", respond)

    def _piece(self, body: dict[str, Any], text: str, pictures: list[bytes], bent: str) -> dict[str, Any]:
        if bent == "refusal":
            return {"says": "I will not sing of that.", "end": "refused"}
        if not bent and (call := _call(body, text)):
            return {"says": None, "calls": [call], "end": "calls"}
        shape = body.get("shape")
        if shape:
            words = json.dumps(InstanceMaker(shape, text).make())
        elif shape is not None:
            words = json.dumps({"title": "The Rock", "text": write_prose(text, "lorelei")})
        else:
            last = body["scene"][-1]
            told = f" The tool said: {last['says']}" if last["who"] == "stagehand" else ""
            words = write_prose(text, "lorelei") + describe_pictures(pictures) + told
        words, finish = bend(words, bent)
        return {"says": words, "end": "limit" if finish == "length" else "done"}


def _prepare_map(request: Request, body: dict[str, Any]) -> Prepared:
    _check_key(request)
    engine, asked = _engine(body, "lorelei-map-1")
    for name in sorted(body.keys() - {"engine", "words", "width"}):
        raise _refuse(400, "nonsense", f"{name} is not known")
    words = body.get("words")
    if not isinstance(words, list) or not all(isinstance(one, str) and one for one in words):
        raise _refuse(400, "nonsense", "words: a list of texts is needed")
    if any(count_tokens(one) > MAP_WINDOW for one in words):
        raise _refuse(400, "too_long", "A text is too long.")

    async def respond(fault: Fault | None) -> Response:
        places = [] if fault and fault.name == "empty" else [embed(one, body.get("width") or 1200) for one in words]
        meter = {"in": sum(map(count_tokens, words))}
        return json_response({"places": places, "meter": meter, "engine": engine, "ticket": request_id("lo", body)})

    return Prepared(engine, asked, "\n".join(words), "embedding", respond)


def _call(body: dict[str, Any], text: str) -> dict[str, Any] | None:
    abilities = {one["does"]: one for one in body.get("abilities") or ()}
    choice = body.get("ability", "auto")
    if not abilities or choice == "none" or (body["scene"][-1]["who"] == "stagehand" and choice == "auto"):
        return None
    named = choice["does"] if isinstance(choice, dict) else next((one for one in abilities if one in text), None)
    if named is None and choice == "required":
        named = next(iter(abilities))
    if named is None:
        return None
    made = InstanceMaker(abilities[named]["with"], text).make()
    return {"ref": "lo-" + hashlib.sha256(text.encode()).hexdigest()[:8], "does": named, "with": json.dumps(made)}


def _check(body: dict[str, Any]) -> tuple[str, list[bytes]]:
    for name in sorted(body.keys() - FIELDS):
        raise _refuse(400, "nonsense", f"{name} is not known")
    if body.get("think") not in (None, "none", "low", "medium", "high"):
        raise _refuse(400, "nonsense", "think: none, low, medium or high")
    if body.get("think") != "none" and {"heat", "spread"} & body.keys():
        raise _refuse(400, "nonsense", "heat and spread go with think none")
    if isinstance(body.get("ability"), dict) and body["ability"].get("does") not in {
        one["does"] for one in body.get("abilities") or ()
    }:
        raise _refuse(400, "nonsense", "ability: names none of abilities")
    scene = body.get("scene")
    if not isinstance(scene, list) or not scene:
        raise _refuse(400, "nonsense", "scene: somebody has to say something")
    open_refs: list[str] = []
    pictures = []
    for said in scene:
        if said.get("who") not in WHO or not isinstance(said.get("says"), str):
            raise _refuse(400, "nonsense", "scene: who says what?")
        if said["who"] == "stagehand":
            if said.get("ref") not in open_refs:
                raise _refuse(400, "nonsense", "scene: a stagehand answers a call")
            open_refs.remove(said["ref"])
        open_refs += [one["ref"] for one in said.get("calls") or ()]
        pictures += [base64.b64decode(one) for one in said.get("pictures") or ()]
    if open_refs:
        raise _refuse(400, "nonsense", "scene: a call has no answer")
    return "\n".join(said["says"] for said in scene), pictures


def _engine(body: dict[str, Any], known: str) -> tuple[str, Fault | None]:
    try:
        engine, asked = split_model(str(body.get("engine")))
    except ValueError as error:
        raise _refuse(400, "nonsense", str(error)) from None
    if engine != known:
        raise _refuse(404, "no_engine", f"There is no engine {engine}.")
    return engine, asked


def _check_key(request: Request) -> None:
    key = request.headers.get("x-api-key", "")
    if not key or "bad-key" in key:
        raise _refuse(401, "wrong_key", "This key opens nothing.")


def _refuse(status: int, name: str, words: str) -> Refused:
    return Refused(_answer(status, name, words, {}))


def _answer(status: int, name: str, words: str, headers: dict[str, str]) -> Response:
    fault = {"name": name, "words": words, "ticket": request_id("lo", words)}
    return json_response({"fault": fault}, status, headers)
