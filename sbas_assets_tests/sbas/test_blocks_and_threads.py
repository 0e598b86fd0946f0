"""Blocks cover the image once, in bounded memory; threads are as many as were asked for."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sbas_assets.errors import InputError
from sbas_assets.sbas.blocks import Rows, chunk_rows, read_layers, row_blocks, stream
from sbas_assets.threads import pixel_threads, thread_count


@given(st.integers(1, 5000), st.integers(1, 10**8), st.floats(1e-3, 8), st.integers(1, 200))
def test_blocks_cover_every_row_once_and_end_with_chunks(
    length: int, row_bytes: int, memory: float, multiple: int
) -> None:
    blocks = row_blocks(length, row_bytes, memory, multiple=multiple)
    assert [row for block in blocks for row in range(block.start, block.stop)] == list(range(length))
    assert all(block.start % multiple == 0 for block in blocks)
    if len(blocks[0]) > multiple:
        assert 3 * len(blocks[0]) * row_bytes <= memory * 2**30


def test_reading_goes_on_while_a_block_is_computed() -> None:
    blocks = row_blocks(4, 1, 1e-9)
    events: list[str] = []
    lock = threading.Lock()

    def tell(event: str) -> None:
        with lock:
            events.append(event)

    def read(rows: Rows) -> int:
        tell(f"read {rows.start}")
        return rows.start

    def compute(rows: Rows, block: int) -> int:
        time.sleep(0.05)
        tell(f"computed {rows.start}")
        return block

    written: list[int] = []
    stream(blocks, read, compute, lambda _, result: written.append(result))
    assert written == [block.start for block in blocks]
    assert events.index("read 1") < events.index("computed 0")


@pytest.mark.parametrize("stage", ["read", "compute", "write"])
def test_a_failure_of_any_stage_is_raised(stage: str) -> None:
    def fails(*_: object) -> int:
        raise OSError(stage)

    def works(*_: object) -> int:
        return 1

    stages = {name: fails if name == stage else works for name in ("read", "compute", "write")}
    with pytest.raises(OSError, match=stage):
        stream(row_blocks(3, 1, 1e-9), stages["read"], stages["compute"], lambda *done: stages["write"](*done) and None)


def test_layers_are_read_in_the_order_given(tmp_path: Path) -> None:
    values = np.arange(7 * 5 * 3, dtype=np.float32).reshape(7, 5, 3)
    with h5py.File(tmp_path / "a.h5", "w") as h5:
        h5.create_dataset("plain", data=values)
        h5.create_dataset("chunked", data=values, chunks=(2, 4, 3))
    with h5py.File(tmp_path / "view.h5", "w") as h5:
        layout = h5py.VirtualLayout(values.shape, values.dtype)
        layout[...] = h5py.VirtualSource("a.h5", "chunked", values.shape)
        h5.create_virtual_dataset("chunked", layout)
    with h5py.File(tmp_path / "a.h5") as plain, h5py.File(tmp_path / "view.h5") as view:
        layers = np.array([0, 1, 3, 6])
        for dataset in (plain["plain"], plain["chunked"], view["chunked"]):
            assert np.array_equal(read_layers(dataset, layers, Rows(1, 4)), values[layers, 1:4].reshape(4, -1))
        assert [chunk_rows(plain["plain"]), chunk_rows(plain["chunked"]), chunk_rows(view["chunked"])] == [1, 4, 4]


def test_threads_are_as_many_as_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SBAS_THREADS", "3")
    names = set()

    def kernel(*_: int) -> None:
        time.sleep(0.02)
        names.add(threading.current_thread().name)

    with pixel_threads() as share:
        share(kernel, 200_000)
    assert len(names) == 3


def test_all_cores_are_used_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SBAS_THREADS", raising=False)
    assert thread_count() >= 1


@pytest.mark.parametrize("value", ["0", "-2", "many", "1.5"])
def test_a_number_of_threads_that_is_none_is_told(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SBAS_THREADS", value)
    with pytest.raises(InputError) as raised:
        thread_count()
    assert raised.value.code == "threads-invalid"
