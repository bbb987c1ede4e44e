"""The emulator's application: the dialects under their prefixes, and its own controls."""

import os
from importlib import import_module

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from adapters.emulator.anthropic import Anthropic
from adapters.emulator.ceilings import Ceiling
from adapters.emulator.elevenlabs import ElevenLabs
from adapters.emulator.faults import Switched, parse_fault
from adapters.emulator.google import Google
from adapters.emulator.mistral import Mistral
from adapters.emulator.openai import OpenAI
from adapters.emulator.settings import EmulatorSettings
from adapters.emulator.wire import Emulator, json_response


def create_app(settings: EmulatorSettings) -> Starlette:
    """`/openai/v1`, `/google`, `/anthropic`, `/mistral`, `/elevenlabs` are the base URLs; `/_emulator` is ours."""
    emulator = Emulator(settings)
    return Starlette(
        routes=[
            Mount("/openai/v1", routes=OpenAI(emulator).routes()),
            Mount("/google", routes=Google(emulator).routes()),
            Mount("/anthropic", routes=Anthropic(emulator).routes()),
            Mount("/mistral", routes=Mistral(emulator).routes()),
            Mount("/elevenlabs", routes=ElevenLabs(emulator).routes()),
            *(_mount(place, emulator) for place in settings.dialects),
            Mount("/_emulator", routes=_controls(emulator)),
        ]
    )


def _mount(place: str, emulator: Emulator) -> Mount:
    module, _, name = place.partition(":")
    dialect = getattr(import_module(module), name)(emulator)
    return Mount(f"/{dialect.provider}", routes=dialect.routes())


def _controls(emulator: Emulator) -> list[Route]:
    async def health(_request: Request) -> Response:
        return json_response({"status": "ok", "pid": os.getpid()})

    async def switch_on(request: Request) -> Response:
        body = await request.json()
        try:
            fault = parse_fault(str(body.get("fault")))
        except ValueError as error:
            return json_response({"error": str(error)}, 400)
        owner, share = request.query_params.get("owner"), float(body.get("share", 1))
        emulator.faults.switch_on(
            Switched(body.get("provider"), body.get("model"), fault, body.get("times"), owner, share)
        )
        return json_response({"status": "switched on"})

    async def switch_off(request: Request) -> Response:
        emulator.faults.clear(request.query_params.get("owner"))
        return json_response({"status": "switched off"})

    async def set_ceiling(request: Request) -> Response:
        body = await request.json()
        owner = request.query_params.get("owner")
        numbers = body.get("concurrency"), body.get("requests_per_minute")
        emulator.ceilings.put(Ceiling(body["provider"], body.get("model") or "*", owner, *numbers))
        return json_response({"status": "set"})

    async def ceilings(_request: Request) -> Response:
        return json_response({"limits": emulator.ceilings.all()})

    async def lift_ceilings(request: Request) -> Response:
        emulator.ceilings.clear(request.query_params.get("owner"))
        return json_response({"status": "lifted"})

    async def calls(_request: Request) -> Response:
        return json_response({"calls": emulator.journal.all()})

    async def forget(_request: Request) -> Response:
        emulator.journal.clear()
        return json_response({"status": "forgotten"})

    return [
        Route("/health", health, methods=["GET"]),
        Route("/faults", switch_on, methods=["POST"]),
        Route("/faults", switch_off, methods=["DELETE"]),
        Route("/limits", set_ceiling, methods=["POST"]),
        Route("/limits", ceilings, methods=["GET"]),
        Route("/limits", lift_ceilings, methods=["DELETE"]),
        Route("/calls", calls, methods=["GET"]),
        Route("/calls", forget, methods=["DELETE"]),
    ]


class EmulatorServer(uvicorn.Server):
    """Says when and where it listens."""

    def __init__(self, settings: EmulatorSettings) -> None:
        self._settings = settings
        super().__init__(
            uvicorn.Config(
                create_app(settings),
                host=settings.host,
                port=settings.port,
                log_level="critical",
                access_log=False,
                lifespan="off",
                http="httptools",
                loop="uvloop",
                timeout_graceful_shutdown=1,
                timeout_keep_alive=120,
                server_header=False,
            )
        )

    async def startup(self, sockets: "list[object] | None" = None) -> None:  # type: ignore[override]
        await super().startup(sockets)  # type: ignore[arg-type]
        if not self.servers:
            return
        port = self.servers[0].sockets[0].getsockname()[1]
        url = f"http://{self._settings.host}:{port}"
        print(f"emulator listening on {url}", flush=True)  # noqa: T201  the line that callers wait for
        if self._settings.ready_file is not None:
            ready = self._settings.ready_file
            unfinished = ready.with_name(f".{ready.name}.{os.getpid()}")
            unfinished.write_bytes(json_response({"url": url, "pid": os.getpid()}).body)
            unfinished.replace(ready)
