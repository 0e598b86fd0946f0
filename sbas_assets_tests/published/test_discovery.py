"""What the root group says: where, when, from what, and how its numbers are to be taken; nothing that is not known."""

from __future__ import annotations

import numpy as np
import pytest

from sbas_assets.errors import InputError
from sbas_assets.published.discovery import root_attributes
from sbas_assets.published.mintpy_file import open_mintpy

from .conftest import GEO, PROVENANCE, SHAPE, Sources, make_sources, write_mintpy


def attributes(source, product="velocity", provenance=PROVENANCE, geometry=None) -> dict:
    with open_mintpy(source) as file:
        if geometry is None:
            return root_attributes(file, product, "T109D_test", "a1", provenance)
        with open_mintpy(geometry) as places:
            return root_attributes(file, product, "T109D_test", "a1", provenance, geometry=places)


def test_a_series_tells_place_time_and_what_it_is(geo: Sources):
    found = attributes(geo.timeseries, "timeseries_demErr")
    assert found["Conventions"] == "CF-1.12, ACDD-1.3"
    assert found["id"] == "T109D_test/timeseries_demErr/a1"
    assert "displacement" in found["summary"]
    assert (found["geospatial_lat_min"], found["geospatial_lat_max"]) == pytest.approx((36.47, 36.5))
    assert (found["geospatial_lon_min"], found["geospatial_lon_max"]) == pytest.approx((25.3, 25.38))
    assert (found["time_coverage_start"], found["time_coverage_end"]) == ("2020-01-05", "2020-03-29")
    assert found["processing_level"] == "L3"
    assert found["heading_angle_deg"] == -168.2
    assert found["reference_convention"] == "zero at the pixel in row 3, column 4 (from 0) and on the date 20200105"


def test_maps_take_their_time_from_mintpys_attributes(tmp_path):
    source = write_mintpy(
        tmp_path / "v.h5", {"velocity": np.ones(SHAPE, "f4")}, START_DATE="20190101", END_DATE="20201231", **GEO
    )
    found = attributes(source)
    assert (found["time_coverage_start"], found["time_coverage_end"]) == ("2019-01-01", "2020-12-31")


def test_bounds_of_a_projected_product_are_in_degrees(tmp_path):
    utm = {**GEO, "Y_FIRST": "4040000", "X_FIRST": "300000", "Y_STEP": "-30", "X_STEP": "30", "UTM_ZONE": "35N"}
    found = attributes(make_sources(tmp_path, "geo_", utm).velocity)
    assert found["geospatial_lat_max"] == pytest.approx(36.49, abs=0.02)
    assert found["geospatial_lon_min"] == pytest.approx(24.77, abs=0.02)
    assert found["geospatial_lon_max"] - found["geospatial_lon_min"] == pytest.approx(1200 / 89_600, rel=0.05)


def test_radar_geometry_has_no_bounds_and_is_level_2(radar: Sources):
    found = attributes(radar.velocity)
    assert found["processing_level"] == "L2"
    assert not [name for name in found if name.startswith("geospatial") or ":" in name]


def test_what_nobody_stated_is_not_there(geo: Sources):
    found = attributes(geo.velocity)
    unknown = {"license", "creator_name", "creator", "date_created", "dates_without_weather", "time_coverage_start"}
    assert not unknown & found.keys()
    assert "los_enu_ground_to_satellite" not in found


def test_provenance_tells_when_it_was_made_and_which_dates_lack_weather(geo: Sources):
    provenance = {
        "produced": {"run_id": "r", "at": "2026-11-20T10:00:00Z"},
        "dates_without_weather": {"20200305": "2020-06-01", "20200117": "2020-04-01"},
    }
    found = attributes(geo.velocity, provenance=provenance)
    assert found["date_created"] == "2026-11-20T10:00:00Z"
    assert found["dates_without_weather"] == ["20200117", "20200305"]


def test_the_line_of_sight_is_told_from_the_geometry_of_the_product_or_of_the_radar(geo: Sources, radar: Sources):
    inside = attributes(geo.geometry, "geometry")
    beside = attributes(geo.velocity, geometry=radar.geometry)
    for found in (inside, beside):
        assert found["incidence_angle_deg"] == 38.5
        vector = found["los_enu_ground_to_satellite"]
        assert vector["east"] == pytest.approx(np.sin(np.radians(38.5)) * np.sin(np.radians(102.5)), abs=1e-6)
        assert vector["up"] == pytest.approx(np.cos(np.radians(38.5)), abs=1e-6)
        assert sum(part**2 for part in vector.values()) == pytest.approx(1, abs=1e-5)


def test_pixels_without_angles_do_not_count_in_the_mean(tmp_path):
    incidence, azimuth = np.full(SHAPE, 40, "f4"), np.full(SHAPE, -100, "f4")
    incidence[:10], azimuth[10:12] = 0, np.nan
    datasets = {"incidenceAngle": incidence, "azimuthAngle": azimuth, "height": incidence}
    source = write_mintpy(tmp_path / "g.h5", datasets, **GEO)
    assert attributes(source, "geometry")["incidence_angle_deg"] == 40
    datasets["incidenceAngle"][:] = 0
    source = write_mintpy(tmp_path / "none.h5", datasets, **GEO)
    assert "incidence_angle_deg" not in attributes(source, "geometry")


@pytest.mark.parametrize(("name", "value"), [("REF_Y", "here"), ("HEADING", "north"), ("trackNumber", "1.5")])
def test_attributes_that_are_no_numbers_are_refused(tmp_path, name, value):
    source = write_mintpy(tmp_path / "v.h5", {"velocity": np.ones(SHAPE, "f4")}, **GEO, **{name: value})
    with pytest.raises(InputError, match=f"product-source-invalid.*{name}"):
        attributes(source)
