"""Derived and rounded arrays of a product, as another reader finds them."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
import xarray as xr
from mintpy.utils.utils0 import get_unit_vector4component_of_interest

from sbas_assets.published.cf_dataset import build_arrays
from sbas_assets.published.mintpy_file import open_mintpy

from .conftest import Sources
from .groups import maps, series, write


def test_a_geometry_has_the_line_of_sight_as_a_unit_vector(geo: Sources, tmp_path):
    with xr.open_zarr(write(tmp_path / "g", geo.geometry, "geometry")) as data:
        angles = float(data.incidenceAngle[0, 0]), float(data.azimuthAngle[0, 0])
        theirs = get_unit_vector4component_of_interest(*angles, "enu2los")
        for name, expected in zip(("los_east", "los_north", "los_up"), theirs, strict=True):
            assert data[name].dtype == np.float32
            assert data[name].units == "1"
            assert "from the ground to the satellite" in data[name].sign_convention
            np.testing.assert_allclose(data[name], expected, atol=1e-6)


def test_a_geometry_without_angles_has_no_line_of_sight(tmp_path):
    with xr.open_zarr(write(tmp_path / "g", maps(tmp_path / "g.h5", (30, 40), ("height",)), "geometry")) as data:
        assert list(data.data_vars) == ["height", "spatial_ref"]


def test_the_dem_error_is_published_under_its_own_name(tmp_path):
    source = maps(tmp_path / "geo_demErr.h5", (30, 40), ("dem",))
    with xr.open_zarr(write(tmp_path / "d", source, "demErr")) as data, h5py.File(source) as file:
        np.testing.assert_array_equal(data.demErr.to_numpy(), file["dem"][:])
        assert data.demErr.units == "m"
        assert "subtract" in data.demErr.sign_convention


def test_rounded_arrays_say_so_as_cf_wants_on_every_level(tmp_path):
    source = series(tmp_path / "ts.h5", (520, 30), dates=2)
    folder = write(tmp_path / "t", source, "timeseries_demErr", mantissa_bits=10)
    with h5py.File(source) as file:
        exact = file["timeseries"][:]
    for group in (None, "maps/0", "maps/1"):
        with xr.open_zarr(folder, group=group) as data:
            attrs = data.displacement.attrs
            assert attrs["quantization_nsb"] == 10
            assert attrs["quantization_maximum_relative_error"] == 2.0**-11
            container = data[attrs["quantization"]]
            assert container.shape == ()
            assert container.attrs["algorithm"] == "bitround"
            assert container.attrs["implementation"].startswith("sbas_assets version ")
            assert not [name for name in ("x", "y", "time") if "quantization" in data[name].attrs]
            if group != "maps/1":
                np.testing.assert_allclose(data.displacement, exact, rtol=2.0**-11)


@pytest.mark.parametrize("product", ["geometry", "temporalCoherence", "maskTempCoh"])
def test_only_what_tells_of_motion_is_rounded(geo: Sources, product):
    source = {"geometry": geo.geometry, "temporalCoherence": geo.coherence, "maskTempCoh": geo.mask}[product]
    with open_mintpy(source) as file:
        arrays = build_arrays(file, product, None, mantissa_bits=10)
    assert not [name for name, array in arrays.items() if "quantization" in array.attrs]
    assert "quantization_info" not in arrays


def test_series_along_time_only_are_exact(geo: Sources):
    with open_mintpy(geo.timeseries) as file:
        arrays = build_arrays(file, "timeseries_demErr", None, mantissa_bits=10)
    assert "quantization" not in arrays["bperp"].attrs
    assert "quantization" in arrays["displacement"].attrs


@pytest.mark.parametrize("bits", [0, 23, 2.5])
def test_a_rounding_that_cannot_be_is_refused(geo: Sources, bits):
    with open_mintpy(geo.velocity) as file, pytest.raises(ValueError, match="mantissa_bits"):
        build_arrays(file, "velocity", None, mantissa_bits=bits)
