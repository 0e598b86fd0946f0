"""The network's overview and the corrected phases as steps: MintPy's files, in final form, the stack left alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import h5py
import numpy as np
import pytest

from sbas_assets.errors import InputError
from sbas_assets.frames import frame_config
from sbas_assets.mintpy import stamp
from sbas_assets.mintpy.session import run_in_folder
from sbas_assets.mintpy.unwrapping import DATASET, UNWRAP_PHASE_CORRECTED
from sbas_assets.simulate import simulate_stack
from sbas_assets.step import Frame, Outcome, Run
from sbas_assets.transaction import execute
from sbas_assets_tests.mintpy.network_at_work import WHOLE, Place

NETWORK = "inputs/network/ifgramStack.h5"
CORRECTED = "inputs/unwrapPhase_corrected/ifgramStack.h5"
OPTIONS = {"unwrapError_connCompMinArea": "100", "network_coherenceBased": "yes", "network_minCoherence": "0.8"}
OVERVIEW = {
    "maskConnComp.h5": "mask",
    "avgSpatialCoh.h5": "coherence",
    "avgPhaseVelocity.h5": "velocity",
    "numTriNonzeroIntAmbiguity.h5": "mask",
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A frame with its network, some pairs dropped; no test changes that."""
    folder = tmp_path_factory.mktemp("frame")
    simulate_stack(WHOLE, folder / "simulated")
    place = Place(folder, folder / "simulated")
    outcome = place.network(**OPTIONS)
    assert outcome.record.metrics["pairs_dropped"] > 0
    return place


def correct(place: Place, **options: str) -> Outcome:
    mintpy = {f"mintpy.{name.replace('_', '.')}": value for name, value in {**OPTIONS, **options}.items()}
    config = frame_config({"track": 71, "direction": "descending", "stack": place.stack, "mintpy": mintpy})
    frame = Frame("T071D_test", config, config.template(), place.settings)
    return execute(UNWRAP_PHASE_CORRECTED, frame, Run("a-run", lambda _: None))


@pytest.fixture
def plain(place: Place, tmp_path: Path) -> Path:
    """A work folder as MintPy knows it: the stack as one file, and what the network step made."""
    (tmp_path / "inputs").mkdir()
    with h5py.File(place.workspace.root / NETWORK) as view, h5py.File(tmp_path / "inputs/ifgramStack.h5", "w") as h5:
        for name in view:
            h5[name] = view[name][()]
        h5.attrs.update({name: value for name, value in view.attrs.items() if name not in made_here()})
    for name in ("maskConnComp.h5", "avgSpatialCoh.h5"):
        (tmp_path / name).symlink_to(place.workspace.root / name)
    return tmp_path


def made_here() -> set[str]:
    return {"FILE_PATH", "SBAS_ASSETS_PROVENANCE", "MODIFICATION_TIME"}


def attributes(path: Path) -> dict[str, str]:
    with h5py.File(path, "r") as h5:
        return {name: value for name, value in h5.attrs.items() if name not in made_here()}


def read(path: Path, name: str) -> np.ndarray:
    with h5py.File(path, "r") as h5:
        return np.asarray(h5[name][()])


def mintpys_overview(folder: Path) -> None:
    from mintpy.cli.unwrap_error_phase_closure import main
    from mintpy.utils import utils

    stack = "inputs/ifgramStack.h5"
    utils.nonzero_mask(stack, out_file="theirs_maskConnComp.h5")
    utils.temporal_average(stack, "coherence", outFile="theirs_avgSpatialCoh.h5")
    utils.temporal_average(stack, "unwrapPhase", outFile="theirs_avgPhaseVelocity.h5")
    with mock.patch("mintpy.utils.plot.plot_num_triplet_with_nonzero_integer_ambiguity"):
        main([stack, "--action", "calculate"])
    (folder / "numTriNonzeroIntAmbiguity.h5").rename(folder / "theirs_numTriNonzeroIntAmbiguity.h5")


def test_overview_files_have_mintpys_numbers_and_attributes(place: Place, plain: Path, log: Path) -> None:
    run_in_folder(plain, log, lambda: mintpys_overview(plain))
    for name, dataset in OVERVIEW.items():
        mine, theirs = place.workspace.root / name, plain / f"theirs_{name}"
        assert read(mine, dataset).tobytes() == read(theirs, dataset).tobytes(), name
        expected = attributes(theirs)
        if name in {"maskConnComp.h5", "avgSpatialCoh.h5"}:  # made before there is a reference point
            del expected["REF_Y"], expected["REF_X"]
        assert attributes(mine) == expected


@pytest.mark.parametrize("method", DATASET)
@pytest.mark.parametrize("radius", ["auto", "4"])
def test_corrected_phases_are_those_of_mintpys_programs(
    place: Place, plain: Path, log: Path, method: str, radius: str
) -> None:
    options = {"unwrapError_method": method, "unwrapError_bridgePtsRadius": radius}
    outcome = correct(place, **options)
    lines = [f"mintpy.{name.replace('_', '.')} = {value}\n" for name, value in {**OPTIONS, **options}.items()]
    (plain / "smallbaselineApp.cfg").write_text("".join(lines))
    run_in_folder(plain, log, lambda: mintpys_correction(method))
    name = DATASET[method]
    theirs = plain / "inputs/ifgramStack.h5"
    mine = place.workspace.root / CORRECTED
    assert outcome.record.metrics["dataset"] == name
    assert read(mine, name).tobytes() == read(theirs, name).tobytes()
    assert attributes(mine) == attributes(theirs)
    with h5py.File(mine) as left, h5py.File(theirs) as right:
        assert set(left) == set(right)


def mintpys_correction(method: str) -> None:
    import mintpy.cli.unwrap_error_bridging as bridging
    import mintpy.cli.unwrap_error_phase_closure as closure

    common = ["inputs/ifgramStack.h5", "--template", "smallbaselineApp.cfg"]
    before = "unwrapPhase"
    if "bridging" in method:
        bridging.main(common)
        before = "unwrapPhase_bridging"
    if "closure" in method:
        closure.main([*common, "--cc-mask", "maskConnComp.h5", "-i", before, "-o", DATASET[method]])


@pytest.fixture
def copied(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Names of the files that stamping lays out anew."""
    names: list[str] = []
    original = stamp._copy_group
    monkeypatch.setattr(
        stamp, "_copy_group", lambda source, *rest: names.append(source.file.filename) or original(source, *rest)
    )
    return names


def test_corrected_phases_are_not_copied_and_the_stack_keeps_its_times(place: Place, copied: list[str]) -> None:
    stack = place.workspace.root / "inputs/ifgramStack.h5"
    before = stack.stat()
    correct(place, unwrapError_method="bridging+phase_closure")
    after = stack.stat()
    assert (before.st_mtime_ns, before.st_ctime_ns) == (after.st_mtime_ns, after.st_ctime_ns)
    assert copied == []


def test_the_network_copies_none_of_its_images_and_leaves_the_stack_its_times(place: Place, copied: list[str]) -> None:
    stack = place.workspace.root / "inputs/ifgramStack.h5"
    before = stack.stat().st_mtime_ns
    place.workspace.record("network").unlink()
    assert place.network(**OPTIONS).how == "made"
    assert stack.stat().st_mtime_ns == before
    assert not {Path(name).name for name in copied} & set(OVERVIEW)


@pytest.mark.parametrize("dates", [WHOLE.dates[0], ",".join(WHOLE.dates[3:5])])
def test_dates_may_be_left_out_of_the_network_with_all_their_pairs(place: Place, dates: str) -> None:
    record = place.network(network_excludeDate=dates).record
    left = {date for pair in record.facts["pairs_used"] for date in pair.split("_")}
    assert left == set(WHOLE.dates) - set(dates.split(","))
    assert record.picture


def test_a_reference_point_in_a_region_that_is_too_small_is_refused(place: Place, tmp_path: Path) -> None:
    spoilt = Place(tmp_path, place.stack)
    point = place.pin["row"], place.pin["column"]
    row, column = (int(str(value)) for value in point)
    for image in spoilt.stack.glob("merged/interferograms/*/filt_fine.unw.conncomp"):
        data = np.fromfile(image, np.uint8).reshape(WHOLE.length, WHOLE.width)
        data[max(row - 3, 0) : row + 4, max(column - 3, 0) : column + 4] = 0
        data[row, column] = 7
        data.tofile(image)
    spoilt.network(**OPTIONS, reference_yx=f"{row},{column}")
    with pytest.raises(InputError) as caught:
        correct(spoilt, unwrapError_method="bridging", reference_yx=f"{row},{column}")
    assert (caught.value.code, caught.value.frame) == ("conncomp-too-small", "T071D_test")
    assert f"row {row}, column {column}" in str(caught.value)


def test_no_common_region_is_large_enough_for_phase_closure(place: Place) -> None:
    with (
        mock.patch("mintpy.unwrap_error_phase_closure.get_common_region_int_ambiguity", return_value=[]),
        pytest.raises(InputError) as caught,
    ):
        correct(place, unwrapError_method="phase_closure")
    assert (caught.value.code, caught.value.frame) == ("conncomp-too-small", "T071D_test")
