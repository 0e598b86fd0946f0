"""A server that speaks the API of the Climate Data Store, for the real client to talk to."""

from __future__ import annotations

import contextlib
import socket
import threading
from http.server import ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from sbas_assets_tests.weather.cds_handler import Handler
from sbas_assets_tests.weather.cds_jobs import Jobs

KEY = "7d1c3a52-0b7e-4f7c-9c1e-5f2a9b6d4e10"


class CdsServer(Jobs):
    """The data store on a free port of this computer, while the ``with`` block lasts.

    ``url`` and ``key`` are what the client is given. Everything below may be set, called and looked at at any time.

    To set:

    - ``expver``: "0001", "0005", or a function from a date to one of them
    - ``latest``: a datetime (UTC, naive) after which there is no data; None for no limit
    - ``licence_accepted``, ``refuse_date_lists``: whether to refuse every request, every request with ``date``
    - ``max_dates``: a request of more is refused
    - ``queue_limit``: jobs not finished; those above are taken and then rejected. Jobs go on only when they are
      looked at, so one that its client gave up counts until it is deleted or all are forgotten
    - ``polls_before_running`` (0), ``polls_before_done`` (1): how many looks at a job each state lasts
    - ``bytes_per_second`` of a download (None: as fast as it goes), ``stall_seconds`` of "stall"

    To call:

    - ``fail_next(kind, times, on=...)``: "429" and "503" meet the next calls of the API (with ``on``: those with
      this text in "METHOD /path"), "job failed" the next submission, "wrong size", "html", "other date",
      "missing level", "garbage", "other area" the next results made, "truncated body" and "stall" the next download
    - ``forget_jobs()``: all ids expire
    - ``too_early()``: calls within the second after a 429

    To look at:

    - ``submissions``, ``dates_submitted``: inputs and dates of the accepted; ``rejected``: those above the limit
    - ``downloads``: (job id, first byte, bytes sent), also of those broken off
    - ``dates_delivered``: of downloads sent up to their last byte, without those that a fault has spoilt
    - ``calls``: how often each "METHOD /path" was called; ``call_times``: (time.monotonic(), call), API alone
    - ``refused_times``: time.monotonic() of each 429
    - ``most_unfinished``: jobs accepted or running at once
    - ``errors``: what went wrong in the server itself
    """

    def __init__(self, key: str = KEY) -> None:
        super().__init__(key)
        self._http = StoreHttp(self)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)
        self.closing = threading.Event()

    @property
    def root(self) -> str:
        """Address of the server."""
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    @property
    def url(self) -> str:
        """Address of the API."""
        return f"{self.root}/api"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closing.set()
        self._http.shutdown()
        self._thread.join()
        self._http.hang_up()
        self._http.server_close()


class StoreHttp(ThreadingHTTPServer):
    """Knows its connections, which the clients keep open, to end their threads with the server."""

    request_queue_size = 128

    def __init__(self, store: CdsServer) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.store = store
        self._open: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        for connection in list(self._open):
            with contextlib.suppress(OSError):  # gone by itself
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a client that hangs up; what is worth a look is in the errors of the server
