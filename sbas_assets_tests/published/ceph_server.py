"""A real S3 server for the tests: the Ceph object gateway of Debian, with one mon and one osd, all on loopback.

Signatures and rights are checked. The objects are kept in memory. What belongs here: starting, disturbing and ending
the daemons, and reading what the gateway was asked. The fixtures are in `ceph_fixtures`.
"""

from __future__ import annotations

import atexit
import contextlib
import http.client
import json
import os
import random
import re
import secrets
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

PATIENCE_S = 60
REGION = "us-east-1"

# cephx, because radosgw 16.2 loops for ever without it. paxos: each of the gateway's pools is a proposal, and waiting a
# second for each makes the start 11 s instead of 1 s. objecter: a request sent before the osd is up is sent again after
# a tick, which is 5 s by default. watch: a new gateway waits so long for the one that was killed, by default 30 s.
# tcp_nodelay: six times the small requests a second. gc: what is deleted leaves the memory soon, not after two hours.
CONFIGURATION = """[global]
fsid = {fsid}; mon host = [v2:127.0.0.1:{mon_port}/0]; public addr = 127.0.0.1; ms bind msgr1 = false
auth cluster required = cephx; auth service required = cephx; auth client required = cephx; keyring = {folder}/keyring
mon data = {folder}/mon; osd data = {folder}/osd; rgw data = {folder}/rgw; crash dir = {folder}; admin socket =
log file = {folder}/$name.log; mon cluster log file = {folder}/cluster.log; log to stderr = false; err to stderr = false
mon data avail crit = 0; paxos propose interval = 0.02; paxos min wait = 0.01; objecter tick interval = 0.3
osd objectstore = memstore; memstore device bytes = {size}; mon allow pool size one = true
osd pool default size = 1; osd pool default min size = 1; osd pool default pg num = 1; osd client watch timeout = 2
rgw frontends = beast endpoint=127.0.0.1:{s3_port} tcp_nodelay=1; rgw thread pool size = 64
rgw run sync thread = false; debug rgw = 1/1
rgw gc obj min wait = 5; rgw gc processor period = 5; rgw gc processor max time = 5
""".replace("; ", "\n")

BEGUN = re.compile(r" starting new request req=(0x[0-9a-f]+) ")
ENDED = re.compile(r' beast: (0x[0-9a-f]+): .*?\] "(\S+) (\S+) HTTP/\S+" (\d+) (\d+) .* (\S+) latency=')
FENCE = "fence="


@dataclass(frozen=True)
class Request:
    """One line of the gateway's access log; `n_bytes` is what it sent, `span` the Range header or an empty text."""

    method: str
    path: str
    query: str
    status: int
    n_bytes: int
    span: str


def free_ports(count: int) -> list[int]:
    """Ports below those of outgoing connections, so that a gateway that was killed finds its port free again."""
    ports: set[int] = set()
    while len(ports) < count:
        with socket.socket() as trial, contextlib.suppress(OSError):
            trial.bind(("127.0.0.1", random.randint(15000, 32000)))
            ports.add(trial.getsockname()[1])
    return list(ports)


def sweep(folder: Path) -> None:
    """End every program that was started with the configuration of this folder, and remove the folder."""
    configuration = f"\0--conf\0{folder}/ceph.conf\0".encode()
    for _ in range(3):
        for command in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                if configuration in command.read_bytes():
                    os.kill(int(command.parent.name), signal.SIGKILL)
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.1)


def keep(parent: int, folder: Path) -> None:
    """Wait until the test process is gone, also by kill -9, and sweep; PR_SET_PDEATHSIG would follow a mere thread."""
    with contextlib.suppress(ProcessLookupError):
        watched = os.pidfd_open(parent)
        if os.getppid() == parent:
            select.select([watched], [], [])
    sweep(folder)


class CephServer:
    """A running S3 server; `with CephServer() as server`."""

    def __init__(self, size: int = 2 << 30) -> None:
        self.size = size
        self.access_key, self.secret_key = secrets.token_hex(10).upper(), secrets.token_hex(20)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._owner = 0

    def __enter__(self) -> CephServer:
        self._owner = os.getpid()
        self.folder = Path(tempfile.mkdtemp(prefix="ceph-"))
        atexit.register(self.stop)
        try:
            self._spawn("keeper", sys.executable, "-IS", __file__, str(self._owner), str(self.folder))
            self._make_cluster()
            self.start_gateway()
            self._s3 = self.client()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        # a fork of the test process is not to end the server when it exits
        if self._owner != os.getpid():
            return
        self.thaw_gateway()
        for process in reversed(self._processes.values()):  # the keeper, the first, is ended last
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(3)
            process.kill()
            process.wait()
        self._processes.clear()
        sweep(self.folder)
        atexit.unregister(self.stop)

    def _run(self, *command: str) -> None:
        result = subprocess.run(command, check=False, capture_output=True, stdin=subprocess.DEVNULL, timeout=PATIENCE_S)
        if result.returncode:
            raise RuntimeError(f"{' '.join(command)}: {result.stderr.decode(errors='replace')[-2000:]}")

    def _spawn(self, name: str, *command: str) -> None:
        with (self.folder / "output.log").open("ab") as output:
            streams = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": output}
            self._processes[name] = subprocess.Popen(command, start_new_session=True, **streams)

    def _make_cluster(self) -> None:
        folder = self.folder
        mon_port, self.port = free_ports(2)
        fsid, osd = str(uuid.uuid4()), str(uuid.uuid4())
        text = CONFIGURATION.format(fsid=fsid, folder=folder, mon_port=mon_port, s3_port=self.port, size=self.size)
        (folder / "ceph.conf").write_text(text)
        self.endpoint, self._log = f"http://127.0.0.1:{self.port}", folder / "client.rgw.log"
        for name in ("mon", "osd", "rgw"):
            (folder / name).mkdir()
        self._conf = conf = ("--conf", f"{folder}/ceph.conf")
        ring, monmap, secret = (f"{folder}/{name}" for name in ("keyring", "monmap", "osd.json"))
        Path(ring).touch()
        for name in ("mon.", "client.admin", "client.rgw"):
            rights = ("--cap", "mon", "allow *", "--cap", "osd", "allow *")
            self._run("ceph-authtool", ring, "--gen-key", "--name", name, *rights)
        self._run("monmaptool", "--create", "--fsid", fsid, "--addv", "a", f"[v2:127.0.0.1:{mon_port}/0]", monmap)
        self._run("ceph-mon", *conf, "--mkfs", "-i", "a", "--monmap", monmap, "--keyring", ring)
        self._spawn("mon", "ceph-mon", *conf, "-f", "-i", "a")
        self._run("ceph-authtool", ring, "--gen-key", "--name", "osd.0")
        key = re.findall(r"\[osd\.0\]\s+key = (\S+)", Path(ring).read_text())[0]
        Path(secret).write_text(json.dumps({"cephx_secret": key}))
        self._run("ceph", *conf, "--connect-timeout", str(PATIENCE_S), "osd", "new", osd, "0", "-i", secret)
        self._run("ceph-osd", *conf, "--mkfs", "-i", "0", "--osd-uuid", osd)
        self._spawn("osd", "ceph-osd", *conf, "-f", "-i", "0")  # which finds four free ports by itself
        user = ["--uid=tests", "--display-name=tests", f"--access-key={self.access_key}", f"--secret={self.secret_key}"]
        self.administer("user", "create", *user)

    def administer(self, *words: str) -> None:
        self._run("radosgw-admin", *self._conf, "--name", "client.rgw", *words)

    def start_gateway(self) -> None:
        self._spawn("gateway", "radosgw", *self._conf, "-f", "--name", "client.rgw")
        deadline = time.monotonic() + PATIENCE_S
        while True:
            with contextlib.suppress(OSError, http.client.HTTPException):
                return self._ask_fence("start")
            if self._processes["gateway"].poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"radosgw does not answer: {self._log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.02)

    def stop_gateway(self) -> None:
        """Kill it, -9: connections break, answers are cut. The objects stay."""
        with self._processes.pop("gateway") as gateway:
            gateway.kill()

    def freeze_gateway(self) -> None:
        """Connections are still accepted, by the kernel, and never answered."""
        self._processes["gateway"].send_signal(signal.SIGSTOP)

    def thaw_gateway(self) -> None:
        if gateway := self._processes.get("gateway"):
            gateway.send_signal(signal.SIGCONT)

    def _ask_fence(self, name: str) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        with contextlib.closing(connection):
            connection.request("GET", f"/?{FENCE}{name}")
            connection.getresponse().read()

    def mark(self) -> int:
        """The present place in the log of requests; all that was answered before is above it."""
        return self._read_log(0)[1]

    def since(self, mark: int) -> list[Request]:
        """What was answered since the mark, in order; a request that is still at work after 2 s is not in it."""
        return self._read_log(mark)[0]

    def _read_log(self, start: int) -> tuple[list[Request], int]:
        """Requests from a place on, and the end of the log.

        The gateway writes its line after it answered, so a client can be quicker than the log. A request of our own
        is the fence: when its line is there, the lines of all that began before it are waited for.
        """
        fence = f"{FENCE}{secrets.token_hex(8)}"
        alive = "gateway" in self._processes
        if alive:
            self._ask_fence(fence.removeprefix(FENCE))
        deadline = time.monotonic() + 2
        while True:
            with self._log.open("rb") as log:
                log.seek(start)
                content = log.read()
            content = content[: content.rfind(b"\n") + 1]
            found, whole = parse_log(content.decode(errors="replace"), fence)
            if whole or not alive or time.monotonic() > deadline:
                return [request for request in found if not request.query.startswith(FENCE)], start + len(content)
            time.sleep(0.005)

    @property
    def environment(self) -> dict[str, str]:
        keys = {"AWS_ACCESS_KEY_ID": self.access_key, "AWS_SECRET_ACCESS_KEY": self.secret_key}
        where = {"AWS_DEFAULT_REGION": REGION, "AWS_ENDPOINT_URL": self.endpoint}
        return {**keys, **where, "AWS_EC2_METADATA_DISABLED": "true"}

    def client(self, *, endpoint: str = "", secret_key: str = "", signed: bool = True, timeout_s: float = 30) -> Any:
        """A botocore client that tries once, and knows neither the user's profiles nor a proxy."""
        import botocore.session
        from botocore import UNSIGNED
        from botocore.config import Config

        nowhere = dict.fromkeys(("config_file", "credentials_file"), (None, None, os.devnull, None))
        session = botocore.session.Session({"profile": (None, None, None, None), **nowhere})
        times = {"connect_timeout": timeout_s, "read_timeout": timeout_s, "retries": {"total_max_attempts": 1}}
        # a user's proxy is not asked about loopback
        config = Config(**times, proxies={}, signature_version=None if signed else UNSIGNED)
        session.set_credentials(self.access_key, secret_key or self.secret_key)
        return session.create_client("s3", REGION, endpoint_url=endpoint or self.endpoint, config=config)

    def make_bucket(self, name: str | None = None) -> str:
        name = name or f"bucket-{secrets.token_hex(6)}"
        self._s3.create_bucket(Bucket=name)
        return name

    def set_policy(self, bucket: str, public_read: bool = True) -> None:
        if not public_read:
            self._s3.delete_bucket_policy(Bucket=bucket)
            return
        # without the right to list, what is missing would be 403 instead of 404
        rights, resources = ["s3:GetObject", "s3:ListBucket"], [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
        allow = {"Effect": "Allow", "Principal": "*", "Action": rights, "Resource": resources}
        self._s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [allow]}))

    def objects(self, bucket: str, prefix: str = "") -> dict[str, int]:
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return {entry["Key"]: entry["Size"] for page in pages for entry in page.get("Contents", [])}


def parse_log(text: str, fence: str) -> tuple[list[Request], bool]:
    """Requests in a text of the gateway's log; whether the fence and all that began before it are answered."""
    found: list[Request] = []
    begun: dict[str, int] = {}
    fenced = None
    for number, line in enumerate(text.splitlines()):
        if match := BEGUN.search(line):
            begun[match[1]] = number
        elif " process radosgw, pid " in line:
            begun.clear()
        elif match := ENDED.search(line):
            path, _, query = match[3].partition("?")
            since = begun.pop(match[1], 0)
            fenced = since if query == fence else fenced
            span = "" if match[6] == "-" else match[6]
            found.append(Request(match[2], unquote(path), query, int(match[4]), int(match[5]), span))
    return found, fenced is not None and all(number > fenced for number in begun.values())


if __name__ == "__main__":
    keep(int(sys.argv[1]), Path(sys.argv[2]))
