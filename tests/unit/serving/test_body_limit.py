"""Bodies that are too large."""

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from harmony.serving.body_limit import BodyLimit

LIMIT = 1000


async def length(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(len(await request.body())))


@pytest.fixture
def client():
    app = Starlette(
        routes=[Route("/", length, methods=["GET", "POST"])],
        middleware=[Middleware(BodyLimit, max_bytes=LIMIT)],
    )
    return TestClient(app)


def test_small_bodies_pass(client):
    assert client.post("/", content=bytes(LIMIT)).text == str(LIMIT)
    assert client.get("/").text == "0"


def test_a_large_body_is_refused(client):
    answer = client.post("/", content=bytes(LIMIT + 1))
    assert answer.status_code == 413
    assert answer.text.endswith(".")


def test_a_large_body_without_a_length_is_refused(client):
    answer = client.post("/", content=(bytes(100) for _ in range(11)))
    assert answer.status_code == 413


def test_uploads_have_a_limit_of_their_own(client):
    answer = client.post("/", files={"files": bytes(5 * LIMIT)})
    assert int(answer.text) > 5 * LIMIT
