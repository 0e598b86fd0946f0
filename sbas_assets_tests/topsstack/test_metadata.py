"""Our metadata against what MintPy computed with ISCE2 on the same files."""

from __future__ import annotations

import json
import math
from datetime import datetime
from pathlib import Path

import pytest

from sbas_assets.topsstack.baselines import baseline_timeseries
from sbas_assets.topsstack.metadata import isce_metadata, tops_metadata
from sbas_assets.topsstack.orbit import geodetic, interpolate
from sbas_assets.topsstack.product import read_product
from sbas_assets_tests.topsstack.golden import GOLDEN, STACK, needs_golden

CASES = [
    pytest.param(file.parent, name, id=f"{file.parent.name[:2]}-{Path(name).stem}")
    for file in sorted(GOLDEN.glob("*/expected.json"))
    for name in json.loads(file.read_text())["files"]
] or [pytest.param(GOLDEN, "none", marks=pytest.mark.skip(reason="no golden samples beside this checkout"))]


def expected(case: Path, name: str) -> dict:
    return json.loads((case / "expected.json").read_text())["files"][name]


def assert_same(found: dict, wanted: dict) -> None:
    assert found.keys() == wanted.keys()
    for key, value in wanted.items():
        try:
            number = float(value)
        except ValueError:
            assert found[key] == value, key
        else:
            assert math.isclose(float(found[key]), number, rel_tol=1e-9), (key, found[key], value)


@pytest.mark.parametrize(("case", "name"), CASES)
def test_metadata_equal_those_mintpy_computes_with_isce2(case, name):
    assert_same(isce_metadata(case / name), expected(case, name)["extract_isce_metadata"])


@pytest.mark.parametrize(("case", "name"), CASES)
def test_raw_metadata_have_the_types_of_mintpy(case, name):
    found = tops_metadata(case / name)
    for key, value in expected(case, name)["extract_tops_metadata"].items():
        if isinstance(value, dict):
            assert found[key] == datetime.fromisoformat(value["datetime"])
            assert str(found[key]) == value["str"]
        else:
            assert type(found[key]) is type(value), key
            assert found[key] == (pytest.approx(value, rel=1e-9) if isinstance(value, float) else value)


@pytest.mark.parametrize(("case", "name"), CASES)
def test_orbit_is_interpolated_to_a_hundredth_of_a_micrometre(case, name):
    steps = expected(case, name)["intermediate"]
    product = read_product(case / name)
    burst = product.bursts[0]
    assert str(burst.sensing_mid) == steps["sensingMid"]
    assert len(product.bursts) == steps["num_bursts"]
    assert len(burst.state_vectors) == steps["num_state_vectors"]
    assert product.orbit_source == steps["orbit_source"]
    assert str(product.bursts[-1].burst_stop_utc) == steps["last_burstStopUTC"]
    position, velocity = interpolate(burst.state_vectors, burst.sensing_mid)
    assert position == pytest.approx(steps["peg_position"], abs=1e-8)
    assert velocity == pytest.approx(steps["peg_velocity"], abs=1e-9)
    place = geodetic(position)
    assert (place.latitude, place.longitude) == pytest.approx(steps["peg_llh"][:2], abs=1e-12)
    assert place.height == pytest.approx(steps["peg_llh"][2], abs=1e-8)


@needs_golden
@pytest.mark.parametrize("swath", ["IW1", "IW2"])
def test_metadata_with_geometry_equal_those_of_mintpy(swath):
    wanted = expected(STACK, f"reference/{swath}.xml")["extract_isce_metadata_with_geom_dir"]
    found = isce_metadata(STACK / f"reference/{swath}.xml", STACK / "merged/geom_reference")
    assert_same(found, wanted)


@needs_golden
def test_baselines_are_those_mintpy_reads():
    from mintpy.utils import isce_utils

    wanted = isce_utils.read_baseline_timeseries(str(STACK / "baselines"), processor="tops")
    assert baseline_timeseries(STACK / "baselines") == {date: tuple(pair) for date, pair in wanted.items()}
