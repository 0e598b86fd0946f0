"""A version may keep files of the last one as they are: they are verified and recorded, and others of their kind go."""

from __future__ import annotations

import hashlib
from pathlib import Path

import h5py
import pytest

from sbas_assets import transaction
from sbas_assets.errors import OutsideError
from sbas_assets.frames import frame_config
from sbas_assets.step import Frame, Job, Made, Outcome, Run, Step
from sbas_assets.transaction import execute
from sbas_assets.workspace import Settings


@pytest.fixture
def frame(tmp_path: Path) -> Frame:
    config = frame_config({"track": 71, "direction": "descending", "stack": tmp_path / "stack"})
    return Frame("T071D_test", config, config.template(), Settings.under(tmp_path))


def pieces(version: int, *, kept: dict[str, str] | None = None) -> Step:
    """A step that writes one piece for each version, keeps those it is told to, and lists them all."""

    def make(job: Job) -> Made:
        piece = job.folder / f"piece{version}.h5"
        with h5py.File(piece, "w") as h5:
            h5["number"] = version
        (job.folder / "list.txt").write_text(f"{sorted(kept or {})} {version}")
        outputs = {f"pieces/{piece.name}": piece, "list.txt": job.folder / "list.txt"}
        return Made(outputs=outputs, sealed=[f"pieces/{piece.name}"], kept=kept or {})

    return Step("pieces", (), (), make, code_version=str(version), owns=("pieces/piece*.h5",))


def run(frame: Frame, step: Step) -> Outcome:
    return execute(step, frame, Run("a-run", lambda _: None))


def names(frame: Frame) -> list[str]:
    return sorted(path.name for path in (frame.workspace.root / "pieces").iterdir())


def sha256(frame: Frame, name: str) -> str:
    return hashlib.sha256((frame.workspace.root / name).read_bytes()).hexdigest()


def kept_first(frame: Frame) -> dict[str, str]:
    return {"pieces/piece1.h5": sha256(frame, "pieces/piece1.h5")}


def test_a_kept_file_is_recorded_and_not_touched(frame: Frame) -> None:
    run(frame, pieces(1))
    before = (frame.workspace.root / "pieces/piece1.h5").stat()
    record = run(frame, pieces(2, kept=kept_first(frame))).record
    assert [out.path for out in record.outputs] == ["list.txt", "pieces/piece1.h5", "pieces/piece2.h5"]
    assert {out.path: out.sha256 for out in record.outputs if out.path in kept_first(frame)} == kept_first(frame)
    after = (frame.workspace.root / "pieces/piece1.h5").stat()
    assert (after.st_ino, after.st_mtime_ns, after.st_ctime_ns) == (
        before.st_ino,
        before.st_mtime_ns,
        before.st_ctime_ns,
    )


def test_a_sealed_file_is_not_stamped(frame: Frame) -> None:
    run(frame, pieces(1))
    with h5py.File(frame.workspace.root / "pieces/piece1.h5") as h5:
        assert dict(h5.attrs) == {}


def test_what_is_not_kept_is_removed_and_a_file_of_another_name_stays(frame: Frame) -> None:
    run(frame, pieces(1))
    for name in ("piece0.h5", "notes.txt"):
        (frame.workspace.root / "pieces" / name).write_text("left by somebody")
    (frame.workspace.root / "pieces/piece_folder.h5").mkdir()
    run(frame, pieces(2))
    assert names(frame) == ["notes.txt", "piece2.h5", "piece_folder.h5"]


def test_what_a_killed_attempt_left_goes_also_when_the_old_version_is_right(frame: Frame) -> None:
    run(frame, pieces(1))
    (frame.workspace.root / "pieces/piece7.h5").write_text("of a killed attempt")
    assert run(frame, pieces(1)).how == "reused"
    assert names(frame) == ["piece1.h5"]


def test_a_kept_file_that_changes_later_makes_the_product_anew(frame: Frame) -> None:
    run(frame, pieces(1))
    step = pieces(2, kept=kept_first(frame))
    run(frame, step)
    (frame.workspace.root / "pieces/piece1.h5").write_text("another")
    with pytest.raises(OutsideError, match=r"piece1.h5"):
        run(frame, step)
    outcome = run(frame, pieces(2))
    assert (outcome.how, names(frame)) == ("remade", ["piece2.h5"])


@pytest.mark.parametrize("change", [lambda path: path.write_text("another"), Path.unlink], ids=["changed", "gone"])
def test_a_kept_file_that_changes_while_the_step_works_ends_it_with_the_old_version_in_place(
    frame: Frame, change: object
) -> None:
    run(frame, pieces(1))
    inner = pieces(2, kept=kept_first(frame)).make

    def meddle(job: Job) -> Made:
        made = inner(job)
        change(job.workspace.root / "pieces/piece1.h5")  # type: ignore[operator]
        return made

    with pytest.raises(OutsideError) as caught:
        run(frame, Step("pieces", (), (), meddle, code_version="2", owns=("pieces/piece*.h5",)))
    assert caught.value.code == "file-changing"
    assert (frame.workspace.root / "list.txt").read_text() == "[] 1"
    assert frame.workspace.record("pieces").exists()


def test_sealed_files_are_in_place_before_anything_of_the_old_version_goes(
    frame: Frame, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(frame, pieces(1))

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(transaction, "_remove_abandoned", killed)
        with pytest.raises(KeyboardInterrupt):
            run(frame, pieces(2))
    assert names(frame) == ["piece1.h5", "piece2.h5"]
    assert run(frame, pieces(1)).how == "reused"
    assert names(frame) == ["piece1.h5"]
