"""What a run goes on with: a pair less, radar geometry, an edited mask, a damaged publication."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from sbas_assets.definitions import EVERYTHING
from sbas_assets.errors import OutsideError
from sbas_assets.mintpy.stamp import read_provenance
from sbas_assets.published import verify as verify_module
from sbas_assets.published.product_version import ProductVersion
from sbas_assets.published.reading import open_frame, open_product
from sbas_assets_tests.assets.parts_at_work import DATES, FROM_DERAMP, OPTIONS, configured, execute, told
from sbas_assets_tests.frames_at_work import FrameAtWork, Result, asset_names


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


def test_a_corrupt_item_is_replaced_by_the_next_run(finished: FrameAtWork) -> None:
    folder = finished.root / "store" / finished.key
    item = folder / "item.json"
    before, objects = item.read_bytes(), names(folder)
    for damage in (b"", b'{"version": "ab', b"[]", b"{}", before[: len(before) // 2], b"\xff\xfe\x00"):
        item.write_bytes(damage)
        with pytest.raises(OutsideError, match="product-damaged"):
            open_frame(str(folder))
        result = finished.run()
        assert result.success, result.errors
        assert_only_the_item(result, "item cannot be read")
        assert item.read_bytes() == before
        assert names(folder) == objects
    assert set(finished.run().outcome.values()) == {"reused"}


def test_a_lost_item_is_written_again_by_the_next_run(finished: FrameAtWork) -> None:
    folder = finished.root / "store" / finished.key
    item = folder / "item.json"
    before, objects = item.read_bytes(), names(folder)
    item.unlink()
    assert_only_the_item(finished.run(), "nothing is published")
    assert (item.read_bytes(), names(folder)) == (before, objects)


def test_neither_item_can_be_read_and_both_are_written_again(finished: FrameAtWork) -> None:
    folder = finished.root / "store" / finished.key
    item = folder / "item.json"
    (own,) = (path for path in folder.glob("versions/*/item.json") if path.parent.name == version_of(item))
    before = json.loads(item.read_bytes()), json.loads(own.read_bytes())
    item.write_bytes(b"{")
    own.write_bytes(b"{")
    assert_only_the_item(finished.run(), "item cannot be read")
    after = json.loads(item.read_bytes()), json.loads(own.read_bytes())
    for old, new in zip(before, after, strict=True):
        # nothing tells any longer when it was published first, nor what it replaced
        of_the_moment = ("created", "updated", "sbas:publication", "sbas:provenance")
        for name in of_the_moment:
            old["properties"].pop(name, None)
            new["properties"].pop(name, None)
        assert new["properties"] == old["properties"]
        assert new["assets"] == old["assets"]
    assert set(finished.run().outcome.values()) == {"reused"}


def test_what_a_killed_publication_left_undone_is_done_by_the_next_run(finished: FrameAtWork) -> None:
    collection = finished.root / "store" / "collection.json"
    before = json.loads(collection.read_bytes())
    collection.unlink()
    assert_only_the_item(finished.run(), "the collection does not name the current item")
    assert json.loads(collection.read_bytes()) == before


def test_a_copy_that_is_found_wrong_is_not_shown_to_readers(
    fresh: FrameAtWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert fresh.run().success
    folder = str(fresh.root / "store" / fresh.key)
    before = open_frame(folder)
    fresh.configure({**OPTIONS, "mintpy.deramp": "quadratic"})
    verify = verify_module.verify_product

    def wrong(store: str, stored: ProductVersion, source: Path) -> list[str]:
        return ["found wrong"] if stored.product == "velocity" else verify(store, stored, source)

    with monkeypatch.context() as patch:
        patch.setattr(verify_module, "verify_product", wrong)
        result = fresh.run()
    assert not result.success
    assert result.outcome["zarr_velocity"] == "made"
    assert result.checks["zarr_velocity", "zarr_equals_hdf5"] is False
    assert "stac_item" not in result.outcome
    assert open_frame(folder).attrs == before.attrs
    assert fresh.run().outcome["stac_item"] == "made"
    after = open_frame(folder)
    assert after.attrs["version"] != before.attrs["version"]
    assert not np.array_equal(after.velocity, before.velocity, equal_nan=True)


def version_of(item: Path) -> str:
    return json.loads(item.read_bytes())["properties"]["version"]


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def assert_only_the_item(result: Result, why: str) -> None:
    assert result.success, result.errors
    assert result.done("remade") == {"stac_item"}
    assert result.done("reused") == set(result.outcome) - {"stac_item"}
    assert why in result.why["stac_item"]
