"""`sbas-assets point`: the displacement series at a place, read from the published products."""

from __future__ import annotations

from pathlib import Path

from sbas_assets.commands.failures import DONE
from sbas_assets.commands.output import Output
from sbas_assets.frames import validate_key
from sbas_assets.published.point import PointSeries, plot_point, point_series
from sbas_assets.workspace import Settings


def point(out: Output, key: str, lat: float, lon: float, plot: Path | None) -> int:
    """Print the series of the pixel at a place, and plot it where a file is given."""
    # the frame need not be in the catalogue: who reads the store may have nothing else
    series = point_series(Settings.from_env().store, validate_key(key), lat, lon)
    if plot is not None:
        plot_point(series, plot.expanduser().absolute())
    for name, value in _facts(series).items():
        out.say(f"{name:20} {value}")
    rows = [
        (day.isoformat(), f"{metres * 1000:.2f}")
        for day, metres in zip(series.dates, series.displacement_m, strict=True)
    ]
    out.table(("date", ">displacement (mm)"), rows)
    if plot is not None:
        out.note(f"plotted in {plot}")
    return DONE


def _facts(series: PointSeries) -> dict[str, str]:
    facts = {
        "frame": series.frame,
        "pixel": f"{series.latitude:.6f}, {series.longitude:.6f} (row {series.row}, column {series.column})",
        "distance": f"{series.distance_m:.1f} m from the place asked for",
    }
    if series.velocity_m_per_year is not None:
        spread = series.velocity_std_m_per_year
        deviation = "" if spread is None else f" ± {spread * 1000:.2f}"
        facts["velocity"] = f"{series.velocity_m_per_year * 1000:.2f}{deviation} mm/year, positive toward the satellite"
    if series.temporal_coherence is not None:
        facts["temporal coherence"] = f"{series.temporal_coherence:.3f}"
    if series.reference_latitude is not None and series.reference_longitude is not None:
        facts["reference point"] = f"{series.reference_latitude:.6f}, {series.reference_longitude:.6f}"
    facts["reference date"] = series.reference_date or "unknown"
    return facts
