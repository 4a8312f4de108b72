from __future__ import annotations

import hashlib
import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from benchmarks.data import fashion, load
from benchmarks.data.fetch import REPOSITORY, fetch_fashion
from benchmarks.support.errors import UserError

from .conftest import Shop

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(ThreadingHTTPServer):
    """The hub's endpoints for one dataset repository, on this machine."""

    daemon_threads = True

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.files, self.broken = files, set[str]()
        self.requests: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.endpoint = f"http://127.0.0.1:{self.server_port}"


class Answer(BaseHTTPRequestHandler):
    server: Hub

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, body: bool) -> None:
        self.server.requests.append(f"{self.command} {self.path}")
        self.server.headers.append(dict(self.headers))
        path = self.path.split("?")[0]
        resolve = f"/datasets/{REPOSITORY}/resolve/{COMMIT}/"
        name = path.removeprefix(resolve)
        if path.startswith(f"/api/datasets/{REPOSITORY}") and "/tree/" not in path:
            listing = [{"rfilename": file} for file in self.server.files]
            data = json.dumps({"id": REPOSITORY, "sha": COMMIT, "siblings": listing, "tags": []}).encode()
            self.send(data, {"Content-Type": "application/json"}, body)
        elif path.startswith(resolve) and name in self.server.files:
            data = self.server.files[name]
            headers = {"ETag": f'"{hashlib.sha256(data).hexdigest()}"', "X-Repo-Commit": COMMIT}
            self.send(data, headers, body, cut=name in self.server.broken)
        else:
            self.send_error(404)

    def send(self, data: bytes, headers: dict[str, str], body: bool, cut: bool = False) -> None:
        if cut and body:
            self.send_error(403)
            return
        self.send_response(200)
        for key, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(key, value)
        self.end_headers()
        if body:
            self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def hub(shop: Shop, tmp_path: Path) -> Iterator[Hub]:
    data = shop.shards(tmp_path / "hub", 3) / "data"
    files = {f"data/{path.name}": path.read_bytes() for path in data.iterdir()}
    server = Hub({**files, "README.md": b"x", "other/a.parquet": b"x", "data/../../a.parquet": b"x"})
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_shards_are_fetched_once_and_open_as_the_dataset(hub: Hub, shop: Shop, tmp_path: Path) -> None:
    folder = fetch_fashion(tmp_path / "cache", hub.endpoint)
    assert {str(path.relative_to(folder)) for path in folder.rglob("*.parquet")} == {
        f"data/train-0000{i}-of-00003.parquet" for i in range(3)
    }
    source = load.open_source("fashion", None, cache=tmp_path / "cache")
    assert source.ids == fashion.open_source(shop.folder(tmp_path / "kaggle")).ids[:5] + source.ids[5:]
    assert len(source.ids) == 23
    asked = len(hub.requests)
    assert fetch_fashion(tmp_path / "cache", hub.endpoint) == folder
    assert len(hub.requests) == asked
    assert not any("authorization" in {key.lower() for key in headers} for headers in hub.headers)


def test_a_fetch_that_breaks_off_is_no_dataset_and_goes_on_later(hub: Hub, tmp_path: Path) -> None:
    hub.broken.add("data/train-00002-of-00003.parquet")
    with pytest.raises(UserError, match="could not be fetched from the Hugging Face hub"):
        fetch_fashion(tmp_path / "cache", hub.endpoint)
    with pytest.raises(UserError, match="data fetch fashion"):
        load.open_source("fashion", None, cache=tmp_path / "cache")
    hub.broken.clear()
    hub.requests.clear()
    fetch_fashion(tmp_path / "cache", hub.endpoint)
    assert len(load.open_source("fashion", None, cache=tmp_path / "cache").ids) == 23
    assert sum(request.startswith("GET") and "resolve" in request for request in hub.requests) == 1


def test_a_hub_without_the_shards(hub: Hub, tmp_path: Path) -> None:
    hub.files = {"README.md": b"x"}
    with pytest.raises(UserError, match="holds no data/"):
        fetch_fashion(tmp_path / "cache", hub.endpoint)


def test_no_network_is_one_sentence(tmp_path: Path) -> None:
    with socket.socket() as closed:  # bound and not listening: nobody answers
        closed.bind(("127.0.0.1", 0))
        with pytest.raises(UserError, match="could not be fetched .* check the network") as caught:
            fetch_fashion(tmp_path, f"http://127.0.0.1:{closed.getsockname()[1]}")
    assert "\n" not in str(caught.value)
    assert not load.fetched_folder(tmp_path, "fashion").exists()
