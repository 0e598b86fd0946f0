"""How the test's data store answers over HTTP: the paths, the answers and the files that the real client asks for."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from sbas_assets_tests.weather.cds_jobs import FINISHED, TRANSFER_FAULTS, Job
from sbas_assets_tests.weather.cds_requests import DATASET, RefusedError, unauthorised

if TYPE_CHECKING:
    from sbas_assets_tests.weather.cds_server import CdsServer, StoreHttp

CHUNK = 16384

Answer = Callable[..., tuple[int, dict[str, Any]]]


class Handler(BaseHTTPRequestHandler):
    """One connection of a client."""

    server: StoreHttp
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # a short answer would wait 40 ms for the client's receipt of its headers

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the base class
        pass

    def do_GET(self) -> None:
        self._answer()

    do_HEAD = do_POST = do_DELETE = do_GET  # noqa: N815 - the names of the base class

    @property
    def store(self) -> CdsServer:
        return self.server.store

    def _answer(self) -> None:
        # read in any case: what is left unread is taken for the next request of the connection
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = urlsplit(self.path).path
        try:
            if match := re.fullmatch(r"/cache/([^/]+)\.grib", path):
                self.store.note_call(f"{self.command} /cache/{{id}}.grib", api=False)
                self._file(match[1])
            else:
                self._api(path, content)
        except RefusedError as refusal:
            self._refuse(refusal)
        except ConnectionError:
            self.close_connection = True
        except Exception as error:
            self.store.errors.append(f"{self.command} {self.path}: {error!r}")
            raise

    def _api(self, path: str, content: bytes) -> None:
        call, needs_key, answer, arguments = _route(self.command, path)
        fault = self.store.note_call(call)
        if fault == "503":
            self._send(503, b"<html><body><h1>503 Service Unavailable</h1></body></html>", "text/html")
        elif fault == "429":
            raise RefusedError(429, "rate limit exceeded", "Rate limit exceeded. Please wait 1 seconds.")
        else:
            if needs_key and self.headers.get("PRIVATE-TOKEN") != self.store.key:
                raise unauthorised()
            status, reply = answer(self, *arguments, content=content)
            self._send(status, json.dumps(reply).encode())

    def _refuse(self, refusal: RefusedError) -> None:
        reply = refusal.content | {"instance": f"{self.store.root}{self.path}", "trace_id": str(uuid.uuid4())}
        headers = {"Retry-After": "1"} if refusal.status == 429 else {}
        self._send(refusal.status, json.dumps(reply).encode(), headers=headers)

    def _send(
        self, status: int, body: bytes, kind: str = "application/json", headers: dict[str, str] | None = None
    ) -> None:
        self._head(status, {"Content-Type": kind, "Content-Length": str(len(body)), **(headers or {})})
        if self.command != "HEAD":
            self.wfile.write(body)

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    # what the API answers

    def _messages(self, content: bytes) -> tuple[int, dict[str, Any]]:
        return 200, {"messages": []}

    def _verify(self, content: bytes) -> tuple[int, dict[str, Any]]:
        return 200, {"id": 1, "sub": "a test", "email": "someone@example.org"}

    def _licences(self, content: bytes) -> tuple[int, dict[str, Any]]:
        names = ["cc-by", "terms-of-use-cds", "data-protection-privacy"] if self.store.licence_accepted else []
        return 200, {"licences": [{"id": name, "revision": 1} for name in names]}

    def _process(self, dataset: str, content: bytes) -> tuple[int, dict[str, Any]]:
        _known(dataset)
        return 200, {"id": dataset, "version": "1.0.0", "title": "ERA5 hourly data on pressure levels", "inputs": {}}

    def _submit(self, dataset: str, content: bytes) -> tuple[int, dict[str, Any]]:
        _known(dataset)
        job = self.store.submit(json.loads(content)["inputs"])
        monitor = self._link("monitor", f"/api/retrieve/v1/jobs/{job.id}")
        return 201, {**_job(job), "links": [self._link("self", self.path), monitor]}

    def _look(self, job_id: str, content: bytes) -> tuple[int, dict[str, Any]]:
        job = self.store.poll(job_id)
        links = [self._link("self", f"/api/retrieve/v1/jobs/{job.id}")]
        if job.state in FINISHED:
            links.append(self._link("results", f"/api/retrieve/v1/jobs/{job.id}/results"))
        metadata: dict[str, Any] = {"origin": "api"}
        query = parse_qs(urlsplit(self.path).query)
        if "request" in query:
            metadata["request"] = {"ids": job.inputs, "labels": {}}
        if "log" in query:
            since = query.get("logStartTime", [""])[0]
            told = [[job.created.isoformat(), "INFO: Request accepted"]]
            metadata["log"] = [line for line in told if line[0] > since]
        return 200, {**_job(job), "links": links, "metadata": metadata}

    def _dismiss(self, job_id: str, content: bytes) -> tuple[int, dict[str, Any]]:
        return 200, {**_job(self.store.dismiss(job_id)), "status": "dismissed", "links": []}

    def _results(self, job_id: str, content: bytes) -> tuple[int, dict[str, Any]]:
        job = self.store.results(job_id)
        value = {
            "type": "application/x-grib",
            "href": f"{self.store.root}/cache/{job.id}.grib",
            "file:size": job.size,
            "file:checksum": job.checksum,
            "file:local_path": f"s3://cache/{job.id}.grib",
        }
        return 200, {"asset": {"value": value}}

    def _link(self, rel: str, path: str) -> dict[str, str]:
        return {"href": f"{self.store.root}{path}", "rel": rel, "type": "application/json"}

    # the file of a result, which the client fetches without its key

    def _file(self, job_id: str) -> None:
        job = self.store.find(job_id)
        if job.body is None:
            raise RefusedError(404, "Not Found")
        headers = {"Content-Type": "application/x-grib", "Accept-Ranges": "bytes", "ETag": f'"{job.checksum}"'}
        length = len(job.body)
        first, last = 0, length - 1
        if match := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
            first, last = int(match[1]), min(int(match[2] or last), last)
            if first > last:
                self._send(416, b"", headers={"Content-Range": f"bytes */{length}"})
                return
            headers["Content-Range"] = f"bytes {first}-{last}/{length}"
        headers["Content-Length"] = str(last + 1 - first)
        self._head(206 if match else 200, headers)
        if self.command == "GET":
            self._body(job, job.body[first : last + 1], first)

    def _body(self, job: Job, body: bytes, first: int) -> None:
        fault = self.store.take_fault(TRANSFER_FAULTS)
        self._sent = 0
        try:
            self._write(body, len(body) // 2)
            if fault == "stall":
                self.store.closing.wait(self.store.stall_seconds)
            if fault != "truncated body":
                self._write(body, len(body))
        finally:
            self.close_connection = self.close_connection or self._sent < len(body)
            self.store.note_download(job, first, self._sent, self._sent == len(body))

    def _write(self, body: bytes, end: int) -> None:
        """Send the bytes up to ``end``, no faster than the server may."""
        while self._sent < end and not self.store.closing.is_set():
            rate = self.store.bytes_per_second
            step = CHUNK if rate is None else max(1, min(CHUNK, int(rate / 20)))
            piece = body[self._sent : min(self._sent + step, end)]
            if rate is not None:
                time.sleep(len(piece) / rate)
            self.wfile.write(piece)
            self._sent += len(piece)


def _route(method: str, path: str) -> tuple[str, bool, Answer, tuple[str, ...]]:
    """How a call is counted, whether it needs the key, what answers it, and the names in its path."""
    for pattern, needs_key, answer in ROUTES.get(method, ()):
        if match := re.fullmatch(pattern.replace("{dataset}", "([^/]+)").replace("{id}", "([^/]+)"), path):
            return f"{method} {pattern}", needs_key, answer, match.groups()
    raise RefusedError(404, "Not Found", f"{method} {path}")


def _known(dataset: str) -> None:
    if dataset != DATASET:
        raise RefusedError(404, "process not found", f"dataset {dataset} not found")


def _job(job: Job) -> dict[str, Any]:
    times = {"created": job.created.isoformat(), "updated": job.updated.isoformat()}
    if job.state != "accepted":
        times["started"] = job.updated.isoformat()
    if job.state in FINISHED:
        times["finished"] = job.updated.isoformat()
    return {"processID": DATASET, "type": "process", "jobID": job.id, "status": job.state, **times}


# of each method: path, whether it needs the key, what answers it
ROUTES: dict[str, tuple[tuple[str, bool, Answer], ...]] = {
    "GET": (
        ("/api/catalogue/v1/messages", False, Handler._messages),
        ("/api/profiles/v1/account/licences", True, Handler._licences),
        ("/api/retrieve/v1/processes/{dataset}", False, Handler._process),
        ("/api/retrieve/v1/jobs/{id}", True, Handler._look),
        ("/api/retrieve/v1/jobs/{id}/results", True, Handler._results),
    ),
    "POST": (
        ("/api/profiles/v1/account/verification/pat", True, Handler._verify),
        ("/api/retrieve/v1/processes/{dataset}/execution", True, Handler._submit),
    ),
    "DELETE": (("/api/retrieve/v1/jobs/{id}", True, Handler._dismiss),),
}
