"""Faults of stores become errors with a code, whichever client raises them. The server here only answers."""

from __future__ import annotations

import errno
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError, ReadTimeoutError

from sbas_assets.errors import InputError, OutsideError
from sbas_assets.published.deadlines import Deadlines
from sbas_assets.published.reading import open_product
from sbas_assets.published.store import Store, open_store, store_faults

URL = "s3://bucket/prefix"
SIGNED = {"key": "k", "secret": "s", "client_kwargs": {"region_name": "us-east-1"}}

OPERATIONS: dict[str, Callable[[Store], object]] = {
    "read": lambda store: store.read(store.path("a")),
    "read_tagged": lambda store: store.read_tagged(store.path("a")),
    "listing": lambda store: store.listing(store.root),
    "folders": lambda store: store.folders(store.root),
    "put": lambda store: store.put(store.path("a"), b"1"),
    "put_if": lambda store: store.put_if(store.path("a"), b"1", None),
    "delete": lambda store: store.delete([store.path("a")]),
}


@pytest.fixture(autouse=True)
def nothing_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_ENDPOINT_URL_S3", "AWS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")


def no_such_bucket() -> FileNotFoundError:
    error = FileNotFoundError("The specified bucket does not exist")
    error.__cause__ = ClientError({"Error": {"Code": "NoSuchBucket"}}, "PutObject")
    return error


@pytest.mark.parametrize(
    ("fault", "kind", "code"),
    [
        (PermissionError("Access Denied"), InputError, "store-permission"),
        (PermissionError(), InputError, "store-permission"),
        (NoCredentialsError(), InputError, "store-permission"),
        (OSError(errno.EROFS, "Read-only file system"), InputError, "store-permission"),
        (no_such_bucket(), InputError, "store-bucket-missing"),
        (EndpointConnectionError(endpoint_url="http://127.0.0.1:1"), OutsideError, "store-unreachable"),
        (ReadTimeoutError(endpoint_url="http://127.0.0.1:1"), OutsideError, "store-unreachable"),
        (TimeoutError(), OutsideError, "store-unreachable"),
        (ConnectionResetError(), OutsideError, "store-unreachable"),
        (OSError(errno.EBUSY, "SlowDown"), OutsideError, "store-unreachable"),
        (OSError(errno.ENOSPC, "No space left on device"), OutsideError, "store-full"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), OutsideError, "store-full"),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory"), InputError, "store-url-invalid"),
    ],
)
def test_faults_of_a_store_become_errors_with_a_code(fault, kind, code):
    with pytest.raises(kind) as caught, store_faults(URL):
        raise fault
    assert caught.value.code == code
    assert URL in str(caught.value)
    assert caught.value.mend
    assert caught.value.__cause__ is fault


def test_a_fault_inside_another_exception_is_seen():
    fault = RuntimeError("while writing")
    fault.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(OutsideError, match="store-full"), store_faults(URL):
        raise fault


@pytest.mark.parametrize("defect", [KeyError("x"), FileNotFoundError("x"), ValueError("x"), OSError("x")])
def test_defects_are_not_called_faults(defect):
    with pytest.raises(type(defect)) as caught, store_faults(URL):
        raise defect
    assert caught.value is defect


def xml(code: str, message: str = "in the server's words") -> bytes:
    return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()


class AnsweringServer(ThreadingHTTPServer):
    """Gives the same answer to every request, or each of some answers in turn; the last one for ever."""

    daemon_threads = True

    def __init__(self, *answers: tuple[int, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), AnsweringHandler)
        self.answers = list(answers)
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.scheme = "http"

    @property
    def endpoint(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_port}"


class AnsweringHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: AnsweringServer

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.requests.append((self.command, self.path, headers))
        status, body = self.server.answers[0] if len(self.server.answers) == 1 else self.server.answers.pop(0)
        if status == 0:  # what a server does that compares a tag as the standard wants it
            status = 200 if headers.get("if-match") == '"abc"' else 412
        self.send_response(status)
        self.send_header("ETag", '"def"')
        self.send_header("Last-Modified", "Sun, 22 Nov 2026 10:00:00 GMT")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self.answer
        raise AttributeError(name)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


@contextmanager
def answering(*answers: tuple[int, bytes], tls: ssl.SSLContext | None = None) -> Iterator[AnsweringServer]:
    with AnsweringServer(*answers) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
            server.scheme = "https"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def store_at(endpoint: str, **options: object) -> Store:
    return open_store(URL, SIGNED | {"endpoint_url": endpoint} | options, deadlines=Deadlines(1))


WRONG_REGION = "the region 'us-east-1' is wrong; expecting 'eu-central-1'"


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (403, xml("RequestTimeTooSkewed"), "store-clock-skewed"),
        (507, xml("InsufficientStorage"), "store-full"),
        (403, xml("QuotaExceeded"), "store-full"),
        (301, xml("PermanentRedirect"), "store-region-wrong"),
        (400, xml("AuthorizationHeaderMalformed", WRONG_REGION), "store-region-wrong"),
        (400, xml("ExpiredToken"), "store-permission"),
        (403, xml("AccessDenied"), "store-permission"),
        (503, xml("SlowDown"), "store-unreachable"),
        (405, xml("MethodNotAllowed"), "store-refused"),
        (400, xml("InvalidRequest"), "store-refused"),
    ],
)
def test_what_a_server_says_becomes_an_error_with_a_code(operation, status, body, code):
    begun = time.monotonic()
    with answering((status, body)) as server:
        store = store_at(server.endpoint)
        with pytest.raises((InputError, OutsideError)) as caught, store_faults(store.url):
            OPERATIONS[operation](store)
    assert caught.value.code == code
    assert len(str(caught.value).splitlines()) == 1
    assert time.monotonic() - begun < 8


@pytest.mark.parametrize("operation", ["read", "read_tagged", "put", "delete"])
def test_a_busy_server_is_asked_again(operation):
    with answering((503, xml("SlowDown")), (500, xml("InternalError")), (200, b"1")) as server:
        store = store_at(server.endpoint)
        if operation == "delete":
            server.answers[-1] = (200, b"<DeleteResult><Deleted><Key>prefix/a</Key></Deleted></DeleteResult>")
        OPERATIONS[operation](store)
        assert len(server.requests) == 3


def test_an_object_that_could_not_be_deleted_is_told():
    refused = b"<Error><Key>prefix/a</Key><Code>AccessDenied</Code><Message>no</Message></Error>"
    with answering((200, b"<DeleteResult>" + refused + b"</DeleteResult>")) as server:
        store = store_at(server.endpoint)
        with pytest.raises(InputError, match="store-permission"), store_faults(store.url):
            store.delete([store.path("a")])


def test_a_server_that_wants_quotation_marks_round_a_tag_gets_them():
    with answering((0, b"")) as server:
        store = store_at(server.endpoint)
        assert store.put_if(store.path("a"), b"1", "abc") == "def"
        with pytest.raises(OutsideError, match="store-conflict"):
            store.put_if(store.path("a"), b"1", "other")
        sent = [headers.get("if-match") for _, _, headers in server.requests]
    assert sent == ["abc", '"abc"', "other", '"other"']


@pytest.mark.parametrize("operation", ["read", "put"])
def test_an_explicit_address_is_not_overruled_by_the_environment(monkeypatch, operation):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of somebody else")
    monkeypatch.setenv("AWS_SKIP_SIGNATURE", "true")
    monkeypatch.setenv("AWS_VIRTUAL_HOSTED_STYLE_REQUEST", "true")
    with answering((200, b"1")) as server:
        OPERATIONS[operation](store_at(server.endpoint))
        (_, path, headers) = server.requests[0]
    assert path == "/bucket/prefix/a"
    assert "Credential=k/" in headers["authorization"]
    assert "x-amz-security-token" not in headers


@pytest.mark.parametrize(
    ("options", "address"),
    [
        ({"client_kwargs": {"region_name": "eu-west-1"}}, ("https://bucket.s3.eu-west-1.amazonaws.com", True)),
        ({"endpoint_url": "https://store.example.org/"}, ("https://store.example.org", False)),
        (
            {"endpoint_url": "https://oss.example.org", "config_kwargs": {"s3": {"addressing_style": "virtual"}}},
            ("https://bucket.oss.example.org", True),
        ),
    ],
)
def test_the_bucket_is_in_the_path_of_any_server_but_amazons(options, address):
    from sbas_assets.published.object_writer import _address

    found = _address(open_store(URL, SIGNED | options).fs, "bucket")
    assert (found["endpoint"], found["virtual_hosted_style_request"]) == address


@pytest.mark.parametrize("operation", ["read", "put"])
def test_a_private_certificate_authority_is_believed_when_it_is_named(tmp_path, monkeypatch, operation):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*own_certificate(tmp_path))
    with answering((200, b"1"), tls=tls) as server:
        store = store_at(server.endpoint)
        with pytest.raises(InputError, match="store-certificate-invalid"), store_faults(store.url):
            OPERATIONS[operation](store)
        monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "authority.pem"))
        OPERATIONS[operation](store_at(server.endpoint))


def own_certificate(folder: Path) -> tuple[Path, Path]:
    """The server's certificate and key, signed by an authority of which `authority.pem` is the certificate."""
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    server = ["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"]
    server += ["-CA", "authority.pem", "-CAkey", "authority.key"]
    for name, words in {"authority": [], "server": server}.items():
        files = ["-subj", f"/CN={name}", "-out", f"{name}.pem", "-keyout", f"{name}.key"]
        try:
            subprocess.run([*make, *files, *words], check=True, capture_output=True, cwd=folder)
        except FileNotFoundError:
            pytest.skip("openssl is not installed")
    return folder / "server.pem", folder / "server.key"


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_endpoint_that_refuses_is_unreachable(operation):
    begun = time.monotonic()
    with pytest.raises(OutsideError, match=r"store-unreachable.*(refused|connect)"), store_faults(URL):
        OPERATIONS[operation](store_at("http://127.0.0.1:9"))
    assert time.monotonic() - begun < 6


def test_a_product_of_an_endpoint_that_refuses_is_unreachable():
    with pytest.raises(OutsideError, match="store-unreachable"):
        open_product(URL, "T1", "velocity", storage_options=SIGNED | {"endpoint_url": "http://127.0.0.1:9"})
