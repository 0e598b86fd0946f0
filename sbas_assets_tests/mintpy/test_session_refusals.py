"""What the system refuses while MintPy's code runs here."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from sbas_assets.errors import OutsideError
from sbas_assets.mintpy.session import MintPyError, run_in_folder
from sbas_assets.mintpy.views import view_of_stack
from sbas_assets_tests.mintpy.test_session import raises, wanders_off


def test_where_a_private_folder_is_forbidden_the_working_directory_is_put_back(
    folder: Path, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(_flags: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "unshare", forbidden)
    before = Path.cwd()
    run_in_folder(folder, log, lambda: wanders_off(folder))
    with pytest.raises(MintPyError):
        run_in_folder(folder, log, raises)
    assert Path.cwd() == before
    assert (folder / "relative.txt").read_text() == "here"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OSError(28, "Can't write data (No space left on device)"), "disk-full"),
        (
            RuntimeError("Can't decrement id ref count (file write failed: errno = 28, error message = '...')"),
            "disk-full",
        ),
        (BlockingIOError(11, "Can't open file (unable to lock file)"), "file-locked"),
    ],
)
def test_what_the_system_refuses_is_a_fault_of_the_outside_world(
    folder: Path, log: Path, error: Exception, code: str
) -> None:
    def refused() -> None:
        raise error

    with pytest.raises(OutsideError) as caught:
        run_in_folder(folder, log, refused)
    assert caught.value.code == code


def test_a_stack_that_a_viewer_holds_open_is_told_as_such(folder: Path, log: Path) -> None:
    real, view = folder / "ifgramStack.h5", folder / "inputs" / "ifgramStack.h5"
    with h5py.File(real, "w") as h5:
        h5["unwrapPhase"] = np.ones((2, 3, 4), np.float32)
    view_of_stack(real, view, relative="../ifgramStack.h5")
    hold = f"import h5py; f = h5py.File({str(real)!r}, 'r'); print('held', flush=True); input()"
    viewer = subprocess.Popen([sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert viewer.stdout is not None
    viewer.stdout.readline()

    def correct() -> float:
        with h5py.File(view, "r+") as h5:
            return float(h5["unwrapPhase"][0, 0, 0])

    with pytest.raises(OutsideError) as caught:
        run_in_folder(folder, log, correct)
    assert caught.value.code == "file-locked"
    viewer.communicate(b"\n")
    assert run_in_folder(folder, log, correct) == 1
