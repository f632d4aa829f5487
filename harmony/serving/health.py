"""/healthz: whether the server can take work, for load balancers and containers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from harmony import __version__
from harmony.serving.lane import Lane

PATH = "/healthz"
OK, UNAVAILABLE = 200, 503


def health(lane: Lane, model: str, model_state: str) -> dict[str, Any]:
    """Return the state of the server, without anything about its visitors."""
    return {
        "status": "stopping" if lane.closed else "ok",
        "model": model,
        "model_state": model_state,
        "slots": lane.slots,
        "running": lane.running,
        "waiting": lane.waiting,
        "max_waiting": lane.max_waiting,
        "version": __version__,
    }


def health_route(lane: Lane, model: str, model_state: Callable[[], str]) -> Route:
    """Return the route; it answers 503 once the server is being stopped."""

    async def answer(_: Request) -> JSONResponse:
        told = health(lane, model, model_state())
        return JSONResponse(told, OK if told["status"] == "ok" else UNAVAILABLE)

    return Route(PATH, answer)
