"""The displacement series at a place, read from what is published, and its plot.

Belongs here: the values of one pixel. Does not belong here: which version is read (`reading`), which pixel a place
falls into (`place`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sbas_assets.errors import InputError
from sbas_assets.published.place import Pixel, find_pixel
from sbas_assets.published.product_version import ProductVersion, by_name
from sbas_assets.published.reading import item_facts, not_published, open_stored
from sbas_assets.published.store import Store, open_store, store_faults

SERIES_PRODUCT = "timeseries_demErr"
# What would make two plots of the same series differ.
_PLOT_METADATA: dict[str, dict[str, None]] = {
    "png": {"Software": None},
    "pdf": {"CreationDate": None},
    "svg": {"Date": None},
}


@dataclass(frozen=True)
class PointSeries:
    """The line-of-sight displacement of one pixel; positive is toward the satellite.

    Parameters
    ----------
    frame : str
        The frame's key.
    dates : tuple of date
        Acquisition dates, ascending.
    displacement_m : numpy.ndarray
        (n_dates,) float64, metres since the reference date; NaN where MintPy has none.
    velocity_m_per_year, velocity_std_m_per_year : float or None
        From the ``velocity`` product; None when it is not published.
    temporal_coherence : float or None
        0 to 1, from the ``temporalCoherence`` product; None when it is not published.
    row, column : int
        The pixel, from 0 at the first line and column of the product.
    latitude, longitude : float
        Center of the pixel, degrees.
    distance_m : float
        From the place asked for to the pixel's center.
    reference_latitude, reference_longitude : float or None
        The place that does not move by definition, degrees.
    reference_date : str or None
        The date of zero displacement, ``YYYYMMDD``.
    """

    frame: str
    dates: tuple[date, ...]
    displacement_m: NDArray[np.float64]
    velocity_m_per_year: float | None
    velocity_std_m_per_year: float | None
    temporal_coherence: float | None
    row: int
    column: int
    latitude: float
    longitude: float
    distance_m: float
    reference_latitude: float | None
    reference_longitude: float | None
    reference_date: str | None


def point_series(
    store_url: str,
    frame: str,
    lat: float,
    lon: float,
    *,
    storage_options: Mapping[str, Any] | None = None,
) -> PointSeries:
    """Read the displacement series of the pixel at a place.

    Parameters
    ----------
    store_url : str
        Folder or fsspec URL.
    frame : str
        The frame's key.
    lat, lon : float
        Degrees, WGS84.
    storage_options : mapping, optional
        Given to fsspec.

    Raises
    ------
    InputError
        ``product-not-published``; ``point-outside``: names the bounds; ``point-no-data``: MintPy has no result
        for that pixel; ``point-no-coordinates``: a product in radar coordinates without latitude and longitude.
    OutsideError
        A fault of the store.
    """
    store = open_store(store_url, storage_options)
    with store_faults(store_url):
        products = by_name(item_facts(store, frame, None).products)
        if SERIES_PRODUCT not in products:
            raise not_published(store, frame, SERIES_PRODUCT)
        maps = {name: products.get(name) for name in ("velocity", "temporalCoherence")}
        with open_stored(store, frame, products[SERIES_PRODUCT], None) as data:
            pixel = find_pixel(data, lat, lon)
            series = data["displacement"].isel(y=pixel.row, x=pixel.column).to_numpy().astype(np.float64)
            dates = tuple(date.fromisoformat(str(day)[:10]) for day in data["time"].to_numpy())
            velocity, spread = _values(store, frame, maps["velocity"], ("velocity", "velocityStd"), pixel)
            (coherence,) = _values(store, frame, maps["temporalCoherence"], ("temporalCoherence",), pixel)
            attrs = data.attrs
    if not _has_data(series, coherence, pixel, attrs):
        raise InputError(
            "point-no-data",
            f"there is no displacement at {lat}, {lon} (row {pixel.row}, column {pixel.column})",
            mend="choose a place on coherent ground; maskTempCoh shows where that is",
            frame=frame,
        )
    return PointSeries(
        frame, dates, series, velocity, spread, coherence,
        pixel.row, pixel.column, pixel.latitude, pixel.longitude, pixel.distance_m,
        attrs.get("reference_latitude"), attrs.get("reference_longitude"), attrs.get("reference_date"),
    )  # fmt: skip


def plot_point(series: PointSeries, path: Path) -> None:
    """Plot a series as PNG, PDF or SVG, by the file's suffix; the same series gives the same bytes.

    Raises
    ------
    InputError
        ``plot-path-invalid``: another suffix, or no such folder.
    """
    kind = path.suffix.lower().lstrip(".")
    if kind not in _PLOT_METADATA or not path.parent.is_dir():
        raise InputError(
            "plot-path-invalid",
            "a plot cannot be written there",
            mend="give a file in an existing folder that ends in .png, .pdf or .svg",
            path=path,
        )
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    days = np.array(series.dates, dtype="datetime64[D]")
    axes.plot(days, series.displacement_m * 100, "o-", markersize=4, linewidth=0.8)
    axes.axhline(0, color="0.7", linewidth=0.8, zorder=0)
    axes.set_ylabel("LOS displacement [cm], positive toward the satellite")
    axes.set_title(_plot_title(series), fontsize=10)
    # The identifiers in an SVG are random unless they are salted.
    with rc_context({"svg.hashsalt": "sbas_assets"}):
        figure.savefig(path, format=kind, metadata=_PLOT_METADATA[kind])


def _plot_title(series: PointSeries) -> str:
    place = f"{series.frame}: {series.latitude:.5f}, {series.longitude:.5f}"
    if series.velocity_m_per_year is None:
        return place
    spread = series.velocity_std_m_per_year
    deviation = "" if spread is None else f" ± {spread * 1000:.1f}"
    return f"{place}, {series.velocity_m_per_year * 1000:.1f}{deviation} mm/year"


def _values(
    store: Store, frame: str, stored: ProductVersion | None, names: tuple[str, ...], pixel: Pixel
) -> list[float | None]:
    """Return maps' values at a pixel's center; None where one is not published or ends before it."""
    if stored is None:
        return [None] * len(names)
    with open_stored(store, frame, stored, None) as data:
        try:
            own = find_pixel(data, pixel.latitude, pixel.longitude)
        except InputError:
            return [None] * len(names)
        return [float(data[name].isel(y=own.row, x=own.column)) if name in data else None for name in names]


def _has_data(series: NDArray[np.float64], coherence: float | None, pixel: Pixel, attrs: Mapping[str, Any]) -> bool:
    """Tell a pixel without a result from one that does not move.

    MintPy writes NaN outside the swath and 0 where it did not invert, and 0 is also the reference point's series.
    """
    if np.isnan(series).all():
        return False
    if np.nan_to_num(series).any() or (coherence or 0) > 0:
        return True
    return (pixel.row, pixel.column) == (attrs.get("reference_row"), attrs.get("reference_column"))
