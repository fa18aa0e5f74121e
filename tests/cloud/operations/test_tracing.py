"""Traces of the real server: sent over OTLP to a receiver of this test's own, because no collector is to be had here."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from cloud.database import connect, migrate
from cloud.farms.importer import import_farm
from cloud.operations.tracing import ENDPOINT
from tests.cloud.batches import FARM, batch, packed, sample
from tests.cloud.operations.processes import HEADERS, Server, free_port

pytestmark = pytest.mark.slow


class Receiver(ThreadingHTTPServer):
    """Takes what an OpenTelemetry collector takes at ``/v1/traces``, and keeps it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.taken: list[ExportTraceServiceRequest] = []

    def spans(self) -> dict[str, dict[str, str]]:
        """Return each span's attributes by its name, its trace's id among them."""
        return {
            span.name: {"trace_id": span.trace_id.hex()}
            | {
                entry.key: entry.value.string_value or str(entry.value.int_value)
                for entry in (*resource.resource.attributes, *span.attributes)
            }
            for request in self.taken
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        }


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Receiver)
        assert self.path == "/v1/traces"
        self.server.taken.append(ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - its base's name
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def server(tmp_path: Path) -> Server:
    url = f"sqlite:///{tmp_path}/cloud.db"
    engine = connect(url)
    migrate(engine)
    import_farm(engine, FARM, Path())
    engine.dispose()
    return Server(url)


def test_a_request_is_a_span_with_the_id_that_its_log_line_has(
    server: Server, receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ENDPOINT, f"http://127.0.0.1:{receiver.server_port}")
    with (tmp_path / "log").open("wb") as log:
        server.start(log)
        headers = HEADERS | {"X-Request-ID": "from-the-gateway.7"}
        body = packed(batch([sample(1, do=5.0)]))
        assert httpx.post(server.address + "/api/v1/batches", content=body, headers=headers).status_code == 200
        own = httpx.get(server.address + "/sign-in?next=/secret-place").headers["X-Request-ID"]
        server.stop()  # what is not sent yet is sent then
    spans = receiver.spans()
    assert set(spans) == {"POST /api/v1/batches", "GET /sign-in"}  # health checks have none
    taken = spans["POST /api/v1/batches"]
    assert (taken["vuong.request_id"], taken["service.name"]) == ("from-the-gateway.7", "vuong-cloud")
    assert "200" in {taken.get("http.status_code"), taken.get("http.response.status_code")}
    assert spans["GET /sign-in"]["vuong.request_id"] == own
    lines = [json.loads(line) for line in (tmp_path / "log").read_text(encoding="utf-8").splitlines() if line.startswith("{")]
    [line] = [line for line in lines if line["event"] == "request" and line["path"] == "/api/v1/batches"]
    assert (line["request_id"], line["trace_id"]) == ("from-the-gateway.7", taken["trace_id"])
    assert not any("secret-place" in value for span in spans.values() for value in span.values()), "a query shall not be kept"


def test_a_collector_that_is_away_holds_nobody_up(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENDPOINT, f"http://127.0.0.1:{free_port()}")
    server.start()
    began = time.monotonic()
    assert httpx.get(server.address + "/sign-in").status_code == 200
    assert time.monotonic() - began < 5
    server.stop()
    assert time.monotonic() - began < 20


def test_without_the_packages_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENDPOINT, "http://127.0.0.1:9")
    code = (
        "import sys; sys.modules['opentelemetry.sdk.trace'] = None; from vuong.command import main; sys.exit(main(sys.argv[1:]))"
    )
    command = [
        sys.executable,
        "-c",
        code,
        "cloud",
        "serve",
        "--database",
        f"sqlite:///{tmp_path}/x.db",
        "--port",
        str(free_port()),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "vuong[cloud,tracing]" in done.stderr
