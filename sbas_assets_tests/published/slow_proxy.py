"""A TCP proxy on loopback between a client and a server: adds a network's latency, breaks connections, falls silent.

A signed request passes unchanged: the Host header holds the proxy's own address, and the server checks the signature
against that header as it was received.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading

BLOCK = 1 << 16


class SlowProxy:
    """A proxy to a port of this machine; `with SlowProxy(server.port, delay_s=0.025) as proxy`.

    Parameters
    ----------
    target_port
        Where the connections go on to.
    delay_s
        What the first byte of each request waits, and the first byte of each answer: half a round trip. May be changed
        at any time.
    """

    def __init__(self, target_port: int, delay_s: float = 0.0) -> None:
        self.target_port = target_port
        self.delay_s = delay_s
        self.connections = 0
        self.bytes_up = 0
        self.bytes_down = 0
        self.cuts = 0
        self._left: dict[bool, int] = {}
        self._again: int | None = None
        self._hang_left: int | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="slow-proxy", daemon=True)

    def __enter__(self) -> SlowProxy:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def cut_after(self, n_bytes: int, *, upwards: bool = False, always: bool = False) -> None:
        """Break one connection when so many more bytes went to the client (or, upwards, to the server).

        Once, or `always`: each time that so many bytes have gone.
        """
        self._left[upwards] = n_bytes
        self._again = n_bytes if always else None

    def hang(self) -> None:
        """Accept connections and bytes, and forward nothing more."""
        self._loop.call_soon_threadsafe(self._flowing.clear)

    def hang_after(self, n_bytes: int) -> None:
        """Hang by itself as soon as that many more bytes, of both directions together, have come."""
        self._hang_left = n_bytes

    def resume(self) -> None:
        self._loop.call_soon_threadsafe(self._flowing.set)

    async def _open(self) -> None:
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=512)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        writers = [writer]
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target_port)
            writers.append(far_writer)
            # who spoke last: a change of speaker is a new request, or its answer
            speaker = [False]
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, far_writer, speaker, upwards=True))
                group.create_task(self._pump(far_reader, writer, speaker, upwards=False))
        except (OSError, ExceptionGroup, asyncio.CancelledError):
            # a broken connection, on purpose or not, is passed on as one: both ends see a reset
            for one in writers:
                one.transport.abort()
        finally:
            for one in writers:
                one.close()
            self._tasks.discard(task)

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, speaker: list[bool], *, upwards: bool
    ) -> None:
        while block := await reader.read(BLOCK):
            if speaker[0] != upwards:
                speaker[0] = upwards
                await asyncio.sleep(self.delay_s)
            if self._hang_left is not None:
                self._hang_left -= len(block)
                if self._hang_left <= 0:
                    self._hang_left = None
                    self._flowing.clear()
            await self._flowing.wait()
            left = self._left.get(upwards)
            cut = left is not None and len(block) >= left
            if left is not None:
                block = block[:left]
                self._left[upwards] = left - len(block)
            # counted first: whoever received a byte finds it counted
            if upwards:
                self.bytes_up += len(block)
            else:
                self.bytes_down += len(block)
            writer.write(block)
            await writer.drain()
            if cut:
                del self._left[upwards]
                if self._again is not None:
                    self._left[upwards] = self._again
                self.cuts += 1
                # what was forwarded should arrive: a reset would take it from the other end's buffer
                await asyncio.sleep(0.05)
                raise ConnectionResetError("cut on purpose")
        with contextlib.suppress(OSError):
            writer.write_eof()
