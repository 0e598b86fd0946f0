"""The attributes of a product's root group: what it is, where, when, from whom, and how its numbers are to be taken.

Belongs here: CF's and ACDD's attributes of a dataset, and those that viewers look for. Does not belong here: arrays
(`cf_dataset`), levels (`pyramid`). Nothing depends on the clock or the machine, and nothing is invented: a licence or
a creator that nobody stated is not there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from sbas_assets import __version__
from sbas_assets.errors import InputError
from sbas_assets.published.georeference import Grid, grid_of
from sbas_assets.published.line_of_sight import ANGLES, COMPONENTS, component_of
from sbas_assets.published.mintpy_file import MintPyFile
from sbas_assets.published.variables import LOS_VECTOR, TOWARD_SATELLITE, primary_variable

CONVENTIONS = "CF-1.12, ACDD-1.3"
# every so many rows of the geometry are enough for a mean angle
_SAMPLED_ROWS = 64
# Zarr attribute, MintPy attribute, type.
_ATTRIBUTES: tuple[tuple[str, str, type], ...] = (
    ("reference_date", "REF_DATE", str),
    ("reference_row", "REF_Y", int),
    ("reference_column", "REF_X", int),
    ("reference_latitude", "REF_LAT", float),
    ("reference_longitude", "REF_LON", float),
    ("start_date", "START_DATE", str),
    ("end_date", "END_DATE", str),
    ("wavelength_m", "WAVELENGTH", float),
    ("polarization", "POLARIZATION", str),
    ("heading_deg", "HEADING", float),
    ("heading_angle_deg", "HEADING", float),
    ("track", "trackNumber", int),
    ("orbit_direction", "ORBIT_DIRECTION", str),
    ("antenna_side", "ANTENNA_SIDE", int),
    ("center_line_utc_s", "CENTER_LINE_UTC", float),
    ("platform", "PLATFORM", str),
    ("processor", "PROCESSOR", str),
)


def root_attributes(
    file: MintPyFile,
    product: str,
    frame: str,
    version: str,
    provenance: Mapping[str, Any],
    *,
    geometry: MintPyFile | None = None,
) -> dict[str, Any]:
    """Return the attributes of the Zarr group; nothing in them depends on the clock or the machine.

    Parameters
    ----------
    file : MintPyFile
        The product.
    product, frame, version : str
        What it is, of which frame, in which version.
    provenance : mapping
        Its ``produced``, ``history`` and ``dates_without_weather`` become attributes too, where they are there.
    geometry : MintPyFile, optional
        With the line of sight's angles, of this product or in radar coordinates; the mean line of sight is told if
        it, or the product, has them.

    Raises
    ------
    TypeError
        The provenance cannot be written as JSON.
    InputError
        ``product-source-invalid``: an attribute of the file is not the number it should be.
    """
    history = f"published by sbas_assets {__version__} from MintPy's {file.path.name}"
    grid = grid_of(file.attributes, file.shape, file.path)
    return {
        **(grid.conventions() if grid is not None else {}),
        "Conventions": CONVENTIONS,
        "title": f"{product} of frame {frame}",
        **_discovery(file, product, frame, version, grid),
        **_produced(provenance),
        "history": str(provenance.get("history", history)),
        "frame": frame,
        "product": product,
        "product_version": version,
        "coordinate_system": "geo" if grid is not None else "radar",
        "los_sign_convention": TOWARD_SATELLITE,
        **_mintpys(file),
        **_line_of_sight(file, geometry),
        "provenance": json.dumps(provenance, sort_keys=True),
    }


def _mintpys(file: MintPyFile) -> dict[str, Any]:
    """Return what MintPy's own attributes tell, under names that say their unit, and the references in words."""
    found: dict[str, Any] = {}
    for name, key, kind in _ATTRIBUTES:
        if file.attributes.get(key):
            try:
                found[name] = kind(file.attributes[key])
            except ValueError as error:
                raise InputError(
                    "product-source-invalid",
                    f"attribute {key} is {file.attributes[key]!r}, not a number",
                    mend="give the file that MintPy made for this product",
                    path=file.path,
                ) from error
    words = []
    if "reference_row" in found and "reference_column" in found:
        words.append(f"the pixel in row {found['reference_row']}, column {found['reference_column']} (from 0)")
    if "reference_date" in found:
        words.append(f"the date {found['reference_date']}")
    return found | ({"reference_convention": f"zero at {' and on '.join(words)}"} if words else {})


def _discovery(file: MintPyFile, product: str, frame: str, version: str, grid: Grid | None) -> dict[str, Any]:
    """Return the attributes of ACDD that follow from the file."""
    variable = primary_variable(product)
    where = "on a map grid" if grid is not None else "in radar coordinates"
    first, last = _first_and_last_date(file)
    covered = {"time_coverage_start": first, "time_coverage_end": last}
    return {
        "summary": f"{variable.long_name} ({variable.unit}) of frame {frame}, {where}: an InSAR time series analysis "
        "of Sentinel-1 interferograms with small baselines (SBAS).",
        "id": f"{frame}/{product}/{version}",
        "keywords": "InSAR, SBAS, Sentinel-1, SAR interferometry, surface displacement, line of sight",
        "processing_level": "L3" if grid is not None else "L2",
        "source": "interferograms of Sentinel-1 SAR images, made by ISCE2 topsStack and analysed by MintPy",
        **(grid.geographic_bounds() if grid is not None else {}),
        **{name: value for name, value in covered.items() if value},
    }


def _first_and_last_date(file: MintPyFile) -> tuple[str | None, str | None]:
    """Return the covered dates as ISO 8601, from the series or from what MintPy wrote of it."""
    texts = file.dates or tuple(file.attributes.get(key, "") for key in ("START_DATE", "END_DATE"))
    first, last = (
        f"{text[:4]}-{text[4:6]}-{text[6:8]}" if text[:8].isdecimal() else None for text in (texts[0], texts[-1])
    )
    return first, last


def _produced(provenance: Mapping[str, Any]) -> dict[str, Any]:
    """Return when the product was made, and which dates it lacks for want of weather."""
    found: dict[str, Any] = {}
    produced = provenance.get("produced")
    if isinstance(produced, Mapping) and produced.get("at"):
        found["date_created"] = str(produced["at"])
    if missing := provenance.get("dates_without_weather"):
        found["dates_without_weather"] = sorted(missing)
    return found


def _line_of_sight(file: MintPyFile, geometry: MintPyFile | None) -> dict[str, Any]:
    """Return the mean incidence angle and line of sight, in the words of viewers; nothing without angles."""
    source = next((one for one in (file, geometry) if one is not None and set(ANGLES) <= one.datasets.keys()), None)
    if source is None or any(source.datasets[name].shape != source.shape for name in ANGLES):
        return {}
    step = max(1, source.shape[0] // _SAMPLED_ROWS)
    incidence, azimuth = (np.float64(source.datasets[name][::step]) for name in ANGLES)
    seen = np.isfinite(incidence) & np.isfinite(azimuth) & (incidence != 0)
    if not seen.any():
        return {}
    vector = [float(component_of(incidence[seen], azimuth[seen], name).mean(dtype=np.float64)) for name in COMPONENTS]
    length = float(np.linalg.norm(vector))
    return {
        "incidence_angle_deg": round(float(incidence[seen].mean()), 4),
        "los_enu_ground_to_satellite": {
            name: round(part / length, 6) for name, part in zip(COMPONENTS, vector, strict=True)
        },
        "los_vector_convention": LOS_VECTOR,
    }
