"""The reference point: chosen without a die, pinned, kept, and refused with a reason when it cannot serve."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np
import pytest

from sbas_assets.simulate import simulate_stack
from sbas_assets_tests.mintpy.network_at_work import DATES, EARLIER, WHOLE, Place, best_pixel, pixel_of, write_image

COMPONENTS = "merged/interferograms/*/filt_fine.unw.conncomp"


@pytest.fixture(scope="module")
def stacks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stacks")
    simulate_stack(EARLIER, folder / "earlier")
    simulate_stack(WHOLE, folder / "whole")
    return folder


@pytest.fixture
def place(stacks: Path, tmp_path: Path) -> Place:
    return Place(tmp_path, stacks / "earlier")


@pytest.fixture(scope="module")
def chosen(stacks: Path, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A frame with its point chosen; no test changes it."""
    place = Place(tmp_path_factory.mktemp("chosen"), stacks / "earlier")
    place.network()
    return place


def test_the_most_coherent_pixel_of_the_largest_common_region_is_chosen_and_pinned(chosen: Place) -> None:
    row, column = best_pixel(chosen)
    assert (chosen.pin["row"], chosen.pin["column"]) == (row, column)
    assert (chosen.pin["length"], chosen.pin["width"]) == (72, 80)
    assert chosen.pin["average_coherence"] == pytest.approx(chosen.read("avgSpatialCoh.h5", "coherence")[row, column])
    with h5py.File(chosen.workspace.root / "inputs/network/ifgramStack.h5") as h5:
        assert (h5.attrs["REF_Y"], h5.attrs["REF_X"]) == (str(row), str(column))


def test_new_dates_leave_the_point_where_it_is_even_if_another_is_better_now(
    chosen: Place, stacks: Path, tmp_path: Path
) -> None:
    place = Place(tmp_path, stacks / "earlier")
    before = pixel_of(place.network().record)
    pin = place.workspace.pin.read_bytes()
    common = [path.relative_to(place.stack) for path in place.stack.rglob("*.unw")]
    assert all((stacks / "whole" / name).read_bytes() == (place.stack / name).read_bytes() for name in common)
    place.replace_stack(stacks / "whole")
    after = place.network()
    assert after.how == "made"
    assert pixel_of(after.record) == before
    assert place.workspace.pin.read_bytes() == pin
    assert best_pixel(place) != before
    place.workspace.pin.unlink()
    assert pixel_of(place.network().record) == best_pixel(place)


@pytest.mark.parametrize(
    "grid", [{"subset_yx": "10:60,5:70"}, {"multilook_ystep": "2", "multilook_xstep": "2"}], ids=["subset", "looks"]
)
def test_another_pixel_grid_means_another_choice(place: Place, grid: Mapping[str, str]) -> None:
    place.network()
    before = place.pin
    after = pixel_of(place.network(**grid).record)
    assert after == best_pixel(place)
    assert (place.pin["length"], place.pin["width"]) != (before["length"], before["width"])
    assert pixel_of(place.network(**grid).record) == after


def test_a_given_row_and_column_are_used_and_nothing_is_pinned(place: Place, chosen: Place) -> None:
    row, column = chosen.pin["row"], chosen.pin["column"]
    outcome = place.network(reference_yx=f"[{int(str(row)) + 1}, {column}]")
    assert pixel_of(outcome.record) == (int(str(row)) + 1, column)
    assert not place.workspace.pin.exists()


def test_a_given_latitude_and_longitude_mean_the_pixel_of_mintpys_lookup(place: Place, chosen: Place) -> None:
    from mintpy.utils import readfile, utils

    row, column = int(str(chosen.pin["row"])), int(str(chosen.pin["column"]))
    geometry = str(chosen.workspace.root / "inputs/geometryRadar.h5")
    lat, lon = (float(chosen.read("inputs/geometryRadar.h5", name)[row, column]) for name in ("latitude", "longitude"))
    outcome = place.network(reference_lalo=f"{lat:.6f},{lon:.6f}", reference_yx="1,1")
    coordinates = utils.coordinate(readfile.read_attribute(geometry), lookup_file=geometry)
    y, x = coordinates.geo2radar(np.array(round(lat, 6)), np.array(round(lon, 6)), print_msg=False)[:2]
    assert pixel_of(outcome.record) == (int(y), int(x))
    assert abs(int(y) - row) <= 1
    assert abs(int(x) - column) <= 1


@pytest.mark.parametrize(
    ("option", "value"),
    [("reference_yx", "72,10"), ("reference_yx", "10,80"), ("reference_lalo", "10.5,20.5")],
)
def test_a_given_point_outside_the_image_is_refused(place: Place, option: str, value: str) -> None:
    error = place.refused(**{option: value})
    assert error.code == "reference-point-outside"
    assert value in str(error)
    assert "72 rows and 80 columns" in str(error)


def test_a_given_point_without_phase_is_refused(place: Place, chosen: Place) -> None:
    phase = chosen.read("inputs/ifgramStack.h5", "unwrapPhase")
    row, column = np.argwhere((phase == 0).all(axis=0))[0]
    error = place.refused(reference_yx=f"{row},{column}")
    assert error.code == "reference-point-no-data"
    assert "no phase" in str(error)


def test_a_given_point_outside_the_common_components_is_refused_unless_the_mask_is_off(
    place: Place, chosen: Place
) -> None:
    common = chosen.read("maskConnComp.h5", "mask") != 0
    phase = (chosen.read("inputs/ifgramStack.h5", "unwrapPhase") != 0).all(axis=0)
    row, column = map(int, np.argwhere(phase & ~common)[0])
    error = place.refused(reference_yx=f"{row},{column}")
    assert error.code == "reference-point-no-data"
    assert "maskConnComp.h5" in str(error)
    outcome = place.network(reference_yx=f"{row},{column}", reference_maskFile="no")
    assert pixel_of(outcome.record) == (row, column)


def test_the_users_own_mask_limits_the_choice_and_refuses_a_given_point(place: Place, chosen: Place) -> None:
    before = int(str(chosen.pin["row"])), int(str(chosen.pin["column"]))
    mask = np.ones((72, 80), bool)
    mask[before] = False
    write_image(place.workspace.root / "own_mask.h5", "mask", mask)
    outcome = place.network(reference_maskFile="own_mask.h5")
    assert pixel_of(outcome.record) != before
    assert outcome.record.metrics["reference_average_coherence"] <= chosen.pin["average_coherence"]  # type: ignore[operator]
    error = place.refused(reference_maskFile="own_mask.h5", reference_yx=f"{before[0]},{before[1]}")
    assert error.code == "reference-point-no-data"
    assert "own_mask.h5" in str(error)


def test_the_users_own_coherence_decides_the_choice(place: Place, chosen: Place) -> None:
    coherence = chosen.read("avgSpatialCoh.h5", "coherence")
    common = chosen.read("maskConnComp.h5", "mask") != 0
    before = int(str(chosen.pin["row"])), int(str(chosen.pin["column"]))
    neighbour = next(
        (y, x)
        for y, x in [(before[0], before[1] + 1), (before[0], before[1] - 1), (before[0] + 1, before[1])]
        if common[y, x]
    )
    coherence[neighbour] = 0.999
    write_image(place.workspace.root / "own_coherence.h5", "coherence", coherence)
    assert pixel_of(place.network(reference_coherenceFile="own_coherence.h5").record) == neighbour


def test_a_water_mask_that_the_step_makes_itself_limits_the_choice(place: Place, stacks: Path) -> None:
    assert place.refused(reference_maskFile="waterMask.h5").code == "template-file-missing"
    shutil.rmtree(place.stack)
    simulate_stack(EARLIER.model_copy(update={"water_mask": True}), place.stack)
    row, column = pixel_of(place.network(reference_maskFile="waterMask.h5").record)
    assert place.read("waterMask.h5", "waterMask")[row, column]
    assert place.network(reference_maskFile="waterMask.h5").how == "reused"


@pytest.mark.parametrize("option", ["reference_maskFile", "reference_coherenceFile"])
def test_an_own_file_of_another_size_is_refused_by_name(place: Place, option: str) -> None:
    write_image(place.workspace.root / "own.h5", "mask" if "mask" in option else "coherence", np.ones((10, 10)))
    error = place.refused(**{option: "own.h5"})
    assert error.code == "template-file-unusable"
    assert "(10, 10)" in str(error)
    assert str(error.path).endswith("own.h5")


def test_no_pixel_coherent_enough_is_refused_with_the_best_one_named(place: Place) -> None:
    error = place.refused(reference_minCoherence="0.9999")
    assert error.code == "reference-coherence-low"
    pixel = str(error.mend).rsplit(" ", 1)[-1]
    assert not place.workspace.pin.exists()
    outcome = place.network(reference_minCoherence="0.9999", reference_yx=pixel)
    assert pixel_of(outcome.record) == tuple(int(part) for part in pixel.split(","))


def test_no_common_component_is_refused(place: Place) -> None:
    for path in place.stack.glob(COMPONENTS):
        path.write_bytes(bytes(72 * 80))
    assert place.refused().code == "reference-point-none"


@pytest.mark.parametrize(
    ("file", "reason"),
    [("filt_fine.unw", "has no phase"), ("filt_fine.unw.conncomp", "maskConnComp.h5")],
    ids=["no phase", "outside the components"],
)
def test_a_pinned_point_that_a_pair_lost_is_refused_until_the_pin_is_removed(
    place: Place, file: str, reason: str
) -> None:
    before = pixel_of(place.network().record)
    place.spoil(f"{DATES[1]}_{DATES[2]}", before, file)
    error = place.refused()
    assert error.code == "reference-point-lost"
    assert reason in str(error)
    assert error.path == str(place.workspace.pin)
    place.workspace.pin.unlink()
    assert pixel_of(place.network().record) == best_pixel(place) != before


def test_a_damaged_pin_is_never_replaced_in_silence(place: Place) -> None:
    before = place.network()
    pin = place.workspace.pin.read_bytes()
    rows = [json.dumps({**place.pin, "row": row}).encode() for row in (9999, -1, None)]
    for damage in [b"", b'{"row": 3', b"[]", b'{"row": 3}', b"\xff\xfe", *rows]:
        place.workspace.pin.write_bytes(damage)
        error = place.refused()
        assert error.code == "reference-pin-damaged"
        assert error.path == str(place.workspace.pin)
        assert place.workspace.pin.read_bytes() == damage
    place.workspace.pin.write_bytes(pin)
    assert place.network().how == "reused"
    place.workspace.pin.unlink()
    after = place.network()
    assert pixel_of(after.record) == pixel_of(before.record)
    assert place.workspace.pin.read_bytes() == pin
