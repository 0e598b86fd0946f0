"""What a run goes on with: a pair less, radar geometry, an edited mask, a corrupt pointer."""

from __future__ import annotations

import json

import h5py
import numpy as np

from sbas_assets.definitions import EVERYTHING
from sbas_assets.mintpy.stamp import read_provenance
from sbas_assets.published.reading import open_product
from sbas_assets_tests.assets.parts_at_work import DATES, FROM_DERAMP, OPTIONS, check, configured, execute, told
from sbas_assets_tests.frames_at_work import FrameAtWork, asset_names


def test_a_truncated_interferogram_is_left_out_and_the_product_says_why(fresh: FrameAtWork) -> None:
    pair = f"{DATES[1]}_{DATES[3]}"
    image = fresh.stack / "merged/interferograms" / pair / "filt_fine.unw"
    whole = image.read_bytes()
    image.write_bytes(whole[:5000])
    # and radar geometry, to spare a run of its own
    fresh.configure({**OPTIONS, "mintpy.geocode": "no", "mintpy.save.kmz": "no"})
    done = execute(fresh, EVERYTHING)
    assert done.success
    preflight = {item.check_name: item for item in done.get_asset_check_evaluations()}["preflight"]
    assert preflight.passed
    assert preflight.metadata["pairs_dropped"].value == 1
    rows = [row.data for row in preflight.metadata["problems"].records]  # type: ignore[attr-defined]
    assert [row["code"] for row in rows if pair in str(row["path"])] == ["raster-truncated"]
    provenance = read_provenance(fresh.workspace.root / "velocity.h5")
    assert provenance["pairs_dropped"][pair].startswith("raster-truncated: ")
    assert pair not in provenance["pairs_used"]
    assert_radar_geometry(fresh)
    # the pair comes back when its file does
    image.write_bytes(whole)
    result = fresh.run("+network")
    assert result.outcome["ifgramStack"] == result.outcome["network"] == "made"
    assert pair in read_provenance(fresh.workspace.root / "avgSpatialCoh.h5")["pairs_used"]


def assert_radar_geometry(frame: FrameAtWork) -> None:
    result = frame.run()
    assert set(result.outcome.values()) == {"reused"}
    for asset in asset_names("group:geo, group:export"):
        record = json.loads(frame.workspace.record(asset).read_text())
        assert (record["status"], record["outputs"]) == ("passed-through", [])
    assert not (frame.workspace.root / "geo").exists()
    checks = [name for name in result.checks if name[1] == "zarr_equals_hdf5"]
    assert {asset for asset, _ in checks} == asset_names("zarr_*")
    assert all(result.checks[name] for name in checks)
    data = open_product(str(frame.root / "store"), frame.key, "velocity")
    with h5py.File(frame.workspace.root / "inputs/geometryRadar.h5") as geometry:
        assert data["velocity"].shape == geometry["height"].shape
        for place in ("latitude", "longitude"):
            assert place in data["velocity"].coords
            np.testing.assert_array_equal(data[place].to_numpy(), geometry[place][:])


def test_an_edited_mask_of_the_users_own_remakes_just_what_depends_on_it(finished: FrameAtWork) -> None:
    mask = np.ones((72, 80), bool)
    own = finished.workspace.root / "own_mask.h5"

    def write() -> None:
        with h5py.File(own, "w") as h5:
            h5["mask"] = mask
            h5.attrs.update({"FILE_TYPE": "mask", "LENGTH": "72", "WIDTH": "80"})

    write()
    with configured(finished, deramp_maskFile="own_mask.h5"):
        result = finished.run()
        assert result.done("made") == FROM_DERAMP
        assert result.done("reused") >= set(result.outcome) - FROM_DERAMP - {"hdfeos5"}
        series = (finished.workspace.root / "timeseries_ramp.h5").read_bytes()
        mask[:, 40:] = False
        write()
        result = finished.run()
        assert result.done("made") == FROM_DERAMP
        assert (finished.workspace.root / "timeseries_ramp.h5").read_bytes() != series
        own.unlink()
        failure = told(finished, "timeseries_corrected")
        assert (failure["code"], failure["path"]) == ("template-file-missing", str(own))
        assert "mintpy.deramp.maskFile = own_mask.h5" in str(failure["message"])
    assert set(finished.run().outcome.values()) == {"reused"}


def test_a_corrupt_pointer_of_a_published_product_is_replaced_by_the_next_run(finished: FrameAtWork) -> None:
    folder = finished.root / "store" / finished.key / "velocity"
    pointer = folder / "latest.json"
    before, versions = pointer.read_bytes(), sorted(path.name for path in folder.iterdir())
    for damage in (b"", b'{"version": "ab', b"[]", b"{}", before[: len(before) // 2], b"\xff\xfe\x00"):
        pointer.write_bytes(damage)
        assert not check(finished, "zarr_velocity", "zarr_equals_hdf5").passed
        result = finished.run("zarr_velocity")
        assert result.success, result.errors
        assert result.outcome == {"zarr_velocity": "remade"}
        assert "pointer cannot be read" in result.why["zarr_velocity"]
        assert pointer.read_bytes() == before
        assert sorted(path.name for path in folder.iterdir()) == versions
    assert set(finished.run().outcome.values()) == {"reused"}
