"""A hub of models on this machine: the few addresses that huggingface_hub asks for."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "c0ffee" * 6 + "c0ff"


@contextmanager
def serve_hub(model_id: str, folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Serve the folder as the model; yields the address and the names of files as they are sent."""
    sent: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer(with_content=False)

        def do_GET(self) -> None:
            self._answer(with_content=True)

        def _answer(self, *, with_content: bool) -> None:
            path = self.path.split("?")[0]
            if path.startswith(f"/api/models/{model_id}"):
                self._send(200, json.dumps(_info(model_id, folder)).encode(), with_content=True)
                return
            start = f"/{model_id}/resolve/"
            name = path.removeprefix(start).partition("/")[2] if path.startswith(start) else ""
            if not name or not (folder / name).is_file():
                self._send(404, b"{}", with_content=with_content, code="RepoNotFound")
                return
            if with_content:
                sent.append(name)
            self._send(200, (folder / name).read_bytes(), with_content=with_content)

        def _send(self, status: int, body: bytes, *, with_content: bool, code: str = "") -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("ETag", f'"{hashlib.sha256(body).hexdigest()}"')
            self.send_header("X-Repo-Commit", COMMIT)
            if code:
                self.send_header("X-Error-Code", code)
            self.end_headers()
            if with_content:
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing on the terminal."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", sent
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _info(model_id: str, folder: Path) -> dict[str, object]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    siblings = [
        {
            "rfilename": path.relative_to(folder).as_posix(),
            "size": path.stat().st_size,
            "blobId": hashlib.sha1(path.read_bytes()).hexdigest(),
        }
        for path in files
    ]
    return {"_id": "1", "id": model_id, "modelId": model_id, "sha": COMMIT, "siblings": siblings}
