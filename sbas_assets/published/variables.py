"""The product variables: what each array of a published product is called, means and is measured in.

Belongs here: names, units, signs and CF names of the datasets in MintPy's product files. Does not belong here:
shapes, coordinates and encodings of one file (`cf_dataset`), and how they are stored (`zarr_product`).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace

from sbas_assets.errors import InputError
from sbas_assets.published.line_of_sight import COMPONENTS

LOS_VECTOR = (
    "from the ground to the satellite: a motion (east, north, up) is "
    "los_east * east + los_north * north + los_up * up along the line of sight, positive toward the satellite"
)
TOWARD_SATELLITE = "positive toward the satellite, along the line of sight"
NAN = math.nan
MAP = ("y", "x")
SERIES = ("time", "y", "x")


@dataclass(frozen=True)
class Variable:
    """One array of a published product.

    Parameters
    ----------
    product : str
        Product that holds it, e.g. ``velocity``.
    dataset : str
        Its dataset in MintPy's HDF5 file.
    name : str
        Its name in the Zarr store.
    dims : tuple of str
        Dimensions, from ``time``, ``y``, ``x``.
    unit : str
        Unit of the stored numbers, in UDUNITS spelling.
    long_name : str
        What it is, for a plot's axis.
    standard_name : str, optional
        CF standard name, where CF has one.
    sign : str, optional
        What a positive number means, where that is not obvious.
    fill : float, optional
        Value of a pixel that was never written; None for masks, which have no spare value.
    zero_is_data : bool
        True where 0 is a number like others; False where MintPy writes it for "not inverted".
    wraps : bool
        An angle that jumps from one end of its range to the other, so that a mean makes no sense.
    """

    product: str
    dataset: str
    name: str
    dims: tuple[str, ...]
    unit: str
    long_name: str
    standard_name: str | None = None
    sign: str | None = None
    fill: float | None = NAN
    zero_is_data: bool = False
    wraps: bool = False


def _geometry(dataset: str, unit: str, long_name: str, standard_name: str | None = None) -> Variable:
    return Variable("geometry", dataset, dataset, MAP, unit, long_name, standard_name)


def _geometry_mask(dataset: str, long_name: str) -> Variable:
    return Variable("geometry", dataset, dataset, MAP, "1", long_name, fill=None)


# The first entry of a product is the one that its file must have.
VARIABLES: tuple[Variable, ...] = (
    Variable(
        "timeseries_demErr",
        "timeseries",
        "displacement",
        SERIES,
        "m",
        "line-of-sight displacement since the reference date",
        sign=TOWARD_SATELLITE,
    ),
    Variable(
        "timeseries_demErr",
        "bperp",
        "bperp",
        ("time",),
        "m",
        "perpendicular baseline relative to the first date of the network",
    ),
    Variable("velocity", "velocity", "velocity", MAP, "m/year", "line-of-sight velocity", sign=TOWARD_SATELLITE),
    Variable(
        "velocity",
        "velocityStd",
        "velocityStd",
        MAP,
        "m/year",
        "standard deviation of the line-of-sight velocity",
    ),
    Variable(
        "temporalCoherence",
        "temporalCoherence",
        "temporalCoherence",
        MAP,
        "1",
        "temporal coherence of the network inversion, 0 to 1",
    ),
    Variable("maskTempCoh", "mask", "maskTempCoh", MAP, "1", "reliable pixel: temporal coherence is high", fill=None),
    Variable(
        "demErr",
        "dem",
        "demErr",
        MAP,
        "m",
        "height of the DEM less the true height, as the series shows it",
        sign="positive where the DEM is too high: subtract it from the DEM",
    ),
    Variable("avgSpatialCoh", "coherence", "avgSpatialCoh", MAP, "1", "average spatial coherence of all pairs, 0 to 1"),
    replace(
        _geometry("height", "m", "height of the DEM above the WGS84 ellipsoid", "height_above_reference_ellipsoid"),
        zero_is_data=True,
    ),
    replace(
        _geometry("incidenceAngle", "degree", "incidence angle of the line of sight", "sensor_zenith_angle"),
        sign="measured at the ground from the vertical to the satellite",
    ),
    # CF's sensor_azimuth_angle is clockwise, MintPy's is not: no standard name.
    replace(
        _geometry("azimuthAngle", "degree", "azimuth of the line of sight, from the ground to the satellite"),
        sign="measured from north, positive anti-clockwise",
        wraps=True,
    ),
    _geometry("slantRangeDistance", "m", "distance from the satellite to the ground"),
    _geometry("latitude", "degrees_north", "latitude of the pixel", "latitude"),
    _geometry("longitude", "degrees_east", "longitude of the pixel", "longitude"),
    _geometry("rangeCoord", "1", "column of the pixel in radar coordinates"),
    _geometry("azimuthCoord", "1", "row of the pixel in radar coordinates"),
    *(
        replace(
            _geometry(f"los_{component}", "1", f"{component} component of the line of sight's unit vector"),
            sign=f"{LOS_VECTOR}; positive {component}",
            zero_is_data=True,
        )
        for component in COMPONENTS
    ),
    _geometry("bperp", "m", "perpendicular baseline relative to the first date of the network"),
    _geometry_mask("shadowMask", "radar shadow or layover"),
    _geometry_mask("waterMask", "land (0 is water)"),
    _geometry_mask("commonMask", "pixel valid in all layers"),
)

# Products whose numbers may be stored with fewer bits: how the ground moved, not where it is.
ROUNDABLE = ("timeseries_demErr", "velocity", "demErr")

PRODUCTS: tuple[str, ...] = tuple(dict.fromkeys(variable.product for variable in VARIABLES))

# What timeseries2velocity.py writes when the template asks for more than a line:
# dataset, unit, long name, and whether it is a displacement along the line of sight.
_TIME_FUNCTIONS: tuple[tuple[str, str, str, bool], ...] = (
    (r"intercept", "m", "line-of-sight displacement at the reference date", True),
    (r"acceleration", "m/year^2", "line-of-sight acceleration", True),
    (r"poly(\d+)", "m/year^{0}", "coefficient of degree {0} of the line-of-sight displacement", True),
    (r"annualAmplitude", "m", "amplitude of the annual line-of-sight displacement", False),
    (r"annualPhase", "radian", "phase of the annual line-of-sight displacement", False),
    (r"semiAnnualAmplitude", "m", "amplitude of the semi-annual line-of-sight displacement", False),
    (r"semiAnnualPhase", "radian", "phase of the semi-annual line-of-sight displacement", False),
    (r"period([\d.]+)YAmplitude", "m", "amplitude of the line-of-sight displacement of period {0} years", False),
    (r"period([\d.]+)YPhase", "radian", "phase of the line-of-sight displacement of period {0} years", False),
    (r"step(\w+)", "m", "line-of-sight displacement step on {0}", True),
    (r"velocityPost(\w+)", "m/year", "line-of-sight velocity after {0}", True),
    (r"exp(\w+)Tau([\d.]+)D", "m", "amplitude of the exponential from {0}, {1} days", True),
    (r"log(\w+)Tau([\d.]+)D", "m", "amplitude of the logarithm from {0}, {1} days", True),
    (r"residue", "m", "root of the sum of squares that the time functions leave", False),
)


def primary_variable(product: str) -> Variable:
    """Return the variable that a product's file must have.

    Raises
    ------
    InputError
        ``product-unknown``: no such product.
    """
    for variable in VARIABLES:
        if variable.product == product:
            return variable
    raise InputError(
        "product-unknown",
        f"there is no product named {product!r}",
        mend=f"give one of {', '.join(PRODUCTS)}",
    )


def describe_dataset(product: str, dataset: str, dims: tuple[str, ...], unit: str | None = None) -> Variable:
    """Return what is known of a dataset in a product's file.

    Parameters
    ----------
    product : str
        A product of `PRODUCTS`.
    dataset : str
        Name of the HDF5 dataset.
    dims : tuple of str
        Its dimensions in this file; they win over the table's, since MintPy writes ``bperp`` with and
        without dates.
    unit : str, optional
        The dataset's ``UNIT`` attribute, for datasets that the table does not know.

    Returns
    -------
    Variable
        From the table, else from MintPy's names of time functions, else under its own name.
    """
    for variable in VARIABLES:
        if (variable.product, variable.dataset) == (product, dataset):
            return replace(variable, dims=dims)
    known = _time_function(dataset) if product == "velocity" else None
    if known is None:
        return Variable(product, dataset, dataset, dims, _udunits(unit or "1"), dataset)
    own_unit, long_name, sign = known
    wraps = dataset.endswith("Phase")
    return Variable(product, dataset, dataset, dims, _udunits(unit or own_unit), long_name, sign=sign, wraps=wraps)


def _time_function(dataset: str) -> tuple[str, str, str | None] | None:
    """Return unit, long name and sign of a dataset of velocity.h5, with ``Std`` meaning its deviation."""
    base = dataset.removesuffix("Std")
    for pattern, unit, long_name, signed in _TIME_FUNCTIONS:
        if match := re.fullmatch(pattern, base):
            name = long_name.format(*match.groups())
            if base != dataset:
                return unit.format(*match.groups()), f"standard deviation: {name}", None
            return unit.format(*match.groups()), name, TOWARD_SATELLITE if signed else None
    return None


def _udunits(unit: str) -> str:
    return unit.replace("m/yr", "m/year")
