"""The table of variables, and what velocity.h5 may hold beyond it."""

from __future__ import annotations

import pytest
from mintpy.timeseries2velocity import model2hdf5_dataset

from sbas_assets.errors import InputError
from sbas_assets.published.arrays import block_shape, chunk_shape
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


def test_datasets_that_nobody_knows_keep_their_name_and_unit():
    variable = describe_dataset("geometry", "rangeSpread", ("y", "x"), "m")
    assert (variable.name, variable.unit, variable.long_name) == ("rangeSpread", "m", "rangeSpread")
    assert describe_dataset("geometry", "flag", ("y", "x")).unit == "1"


def test_unknown_products_have_no_primary_variable():
    with pytest.raises(InputError, match="product-unknown"):
        primary_variable("speed")


@pytest.mark.parametrize(
    ("shape", "itemsize", "chunks"),
    [
        ((98, 2000, 3000), 4, (6, 250, 300)),
        ((2, 100, 3000), 4, (2, 100, 300)),
        ((1000, 1000), 4, (1000, 1000)),
        ((2000, 3000), 4, (1000, 1000)),
        ((2000, 3000), 1, (2000, 1500)),
        ((98,), 4, (98,)),
    ],
)
def test_chunks_are_of_the_measured_size(shape, itemsize, chunks):
    assert chunk_shape(shape, itemsize) == chunks


@pytest.mark.parametrize("max_bytes", [1, 10**7, 10**8, 10**12])
def test_blocks_are_whole_chunks_inside_the_memory(max_bytes):
    shape, chunks = (98, 2000, 3100), (6, 250, 300)
    block = block_shape(shape, chunks, 4, max_bytes)
    assert all(b % c == 0 or b == n for b, c, n in zip(block, chunks, shape, strict=True))
    assert block[0] * block[1] * block[2] * 4 <= max(max_bytes, 6 * 250 * 300 * 4)
