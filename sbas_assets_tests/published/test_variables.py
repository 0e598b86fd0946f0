"""The table of variables, and what velocity.h5 may hold beyond it."""

from __future__ import annotations

import pytest
from mintpy.timeseries2velocity import model2hdf5_dataset

from sbas_assets.errors import InputError
from sbas_assets.published.variables import PRODUCTS, describe_dataset, primary_variable

MODEL = {
    "polynomial": 3,
    "periodic": [1, 0.5, 2.5],
    "stepDate": ["20170910"],
    "polyline": ["20180101"],
    "exp": {"20181026": [60]},
    "log": {"20190204": [180.5]},
}


def test_every_product_has_a_variable_that_its_file_must_have():
    assert [primary_variable(product).name for product in PRODUCTS] == [
        "displacement",
        "velocity",
        "temporalCoherence",
        "maskTempCoh",
        "demErr",
        "avgSpatialCoh",
        "height",
    ]


def test_every_time_function_of_mintpy_has_mintpys_unit_and_a_name():
    units = model2hdf5_dataset(MODEL, ds_shape=(2, 2))[2]
    assert len(units) > 15
    for dataset, unit in units.items():
        variable = describe_dataset("velocity", dataset, ("y", "x"))
        assert variable.unit == unit.replace("m/yr", "m/year"), dataset
        assert variable.long_name != dataset
        assert ("Std" in dataset) <= (variable.sign is None)


def test_displacements_have_a_sign_and_their_spread_has_none():
    assert describe_dataset("velocity", "step20170910", ("y", "x")).sign is not None
    assert describe_dataset("velocity", "step20170910Std", ("y", "x")).sign is None
    assert describe_dataset("velocity", "annualPhase", ("y", "x")).sign is None


def test_angles_that_wrap_are_told_and_their_spread_does_not_wrap():
    assert describe_dataset("geometry", "azimuthAngle", ("y", "x")).wraps
    assert describe_dataset("velocity", "semiAnnualPhase", ("y", "x")).wraps
    assert not describe_dataset("velocity", "semiAnnualPhaseStd", ("y", "x")).wraps
    assert not describe_dataset("geometry", "incidenceAngle", ("y", "x")).wraps


def test_zero_is_a_height_but_no_velocity():
    assert describe_dataset("geometry", "height", ("y", "x")).zero_is_data
    assert not describe_dataset("velocity", "velocity", ("y", "x")).zero_is_data


def test_the_dem_error_says_what_to_do_with_it():
    variable = describe_dataset("demErr", "dem", ("y", "x"))
    assert (variable.name, variable.unit) == ("demErr", "m")
    assert "subtract it from the DEM" in (variable.sign or "")


def test_datasets_that_nobody_knows_keep_their_name_and_unit():
    variable = describe_dataset("geometry", "rangeSpread", ("y", "x"), "m")
    assert (variable.name, variable.unit, variable.long_name) == ("rangeSpread", "m", "rangeSpread")
    assert describe_dataset("geometry", "flag", ("y", "x")).unit == "1"


def test_unknown_products_have_no_primary_variable():
    with pytest.raises(InputError, match="product-unknown"):
        primary_variable("speed")
