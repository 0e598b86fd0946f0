"""The metadata that MintPy takes from an ISCE2 stack, computed without ISCE2.

Belongs here: what `mintpy.utils.isce_utils.extract_*_metadata` returns for topsStack, key for key and digit
for digit, and writing it as the `data.rsc` that MintPy reads instead of importing ISCE2. MintPy's own
conversion of key names is used, not copied; it is imported late because it takes more than a second.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from sbas_assets.errors import InputError
from sbas_assets.topsstack.baselines import baseline_timeseries
from sbas_assets.topsstack.geometry import add_geometry
from sbas_assets.topsstack.orbit import curvature_radius, geodetic, heading, interpolate
from sbas_assets.topsstack.product import SwathProduct, read_product

__all__ = ["baseline_timeseries", "isce_metadata", "pair_metadata", "tops_metadata", "write_rsc"]


def tops_metadata(xml: str | Path) -> dict[str, Any]:
    """Compute the metadata of a topsStack reference swath.

    Parameters
    ----------
    xml : path
        `reference/IWn.xml`. The other swaths beside it are read for `swathNumber`.

    Returns
    -------
    dict
        The keys and types of MintPy `isce_utils.extract_tops_metadata`. HEADING in degrees from north,
        clockwise, in (-180, 180]; altitude, earthRadius, ranges and pixel sizes in m; times UTC;
        CENTER_LINE_UTC in whole seconds of the day.

    Raises
    ------
    InputError
        What `read_product` raises, and `orbit-too-short`.
    """
    xml = Path(xml)
    product = read_product(xml)
    first, last = product.bursts[0], product.bursts[-1]
    mid = first.sensing_mid
    return {
        **_acquisition(product),
        **_platform(product),
        "CENTER_LINE_UTC": mid.hour * 3600.0 + mid.minute * 60.0 + mid.second,
        **_flight(product),
        "rangePixelSize": first.range_pixel_size,
        **_resolution(xml),
        "beam_mode": "IW",
        "swathNumber": _swath_number(product),
        "firstFrameNumber": _frame_number(product, first.burst_start_utc),
        "lastFrameNumber": _frame_number(product, last.burst_stop_utc),
    }


def _acquisition(product: SwathProduct) -> dict[str, Any]:
    first, last = product.bursts[0], product.bursts[-1]
    return {
        "prf": first.prf,
        "startUTC": first.burst_start_utc,
        "stopUTC": last.burst_stop_utc,
        "radarWavelength": first.wavelength,
        "startingRange": first.starting_range,
        "passDirection": first.pass_direction,
        "polarization": first.polarization,
        "trackNumber": first.track_number,
        "orbitNumber": first.orbit_number,
    }


def _flight(product: SwathProduct) -> dict[str, float]:
    """Compute what follows from the orbit at the middle of the first burst."""
    burst = product.bursts[0]
    try:
        position, velocity = interpolate(burst.state_vectors, burst.sensing_mid)
    except ValueError as error:
        mend = "run the unpack step of this date again with an orbit file that covers it"
        raise InputError("orbit-too-short", str(error), mend=mend, path=product.path) from error
    speed = float(np.linalg.norm(velocity))
    place, direction = geodetic(position), heading(position, velocity)
    return {
        "satelliteSpeed": speed,
        "azimuthPixelSize": speed * burst.azimuth_time_interval,
        "HEADING": direction,
        "earthRadius": curvature_radius(place.latitude, direction),
        "altitude": place.height,
    }


def _platform(product: SwathProduct) -> dict[str, str]:
    from mintpy.objects import sensor

    if product.spacecraft_name is not None:
        return {"PLATFORM": str(sensor.standardize_sensor_name(product.spacecraft_name))}
    return {"PLATFORM": "sen"} if product.path.name.startswith("IW") else {}


def _resolution(xml: Path) -> dict[str, float]:
    from mintpy.objects import sensor

    swath = sensor.SENSOR_DICT["sen"].get(xml.stem if xml.name.startswith("IW") else "IW2")
    if swath is None:
        mend = "give the metadata file its topsStack name, IW1.xml, IW2.xml or IW3.xml"
        raise InputError("product-of-another-kind", "is not named after a swath", mend=mend, path=xml)
    return {"azimuthResolution": swath["azimuth_resolution"], "rangeResolution": swath["range_resolution"]}


def _swath_number(product: SwathProduct) -> int | str:
    files = sorted(product.path.parent.glob("IW*.xml"))
    if len(files) < 2:
        return product.bursts[0].swath_number
    numbers = sorted(read_product(path).bursts[0].swath_number for path in files)
    return "".join(str(number) for number in numbers)


def _frame_number(product: SwathProduct, time: datetime) -> int:
    """Return ASF's frame number: fifths of a second since the ascending node."""
    return int(0.2 * (time - product.ascending_node_time).total_seconds())


def isce_metadata(xml: str | Path, geom_dir: str | Path | None = None) -> dict[str, str]:
    """Compute the metadata that MintPy keeps in `reference/data.rsc`.

    Parameters
    ----------
    xml : path
        `reference/IWn.xml` of the lowest swath.
    geom_dir : path, optional
        `merged/geom_reference`: adds size, looks, corner coordinates and the incidence angle at the centre.

    Returns
    -------
    dict
        The keys and values of MintPy `isce_utils.extract_isce_metadata`: all strings, under both the ISCE2
        and the ROI_PAC names. Degrees, m, s.

    Raises
    ------
    InputError
        What `tops_metadata`, `read_header` and `read_band` raise, and `geometry-empty`.
    """
    from mintpy.utils import readfile

    meta = tops_metadata(xml)
    if geom_dir is not None:
        meta = add_geometry(meta, Path(geom_dir))
    meta |= {"PROCESSOR": "isce", "ANTENNA_SIDE": "-1"}
    standard = readfile.standardize_metadata({key: str(value) for key, value in meta.items()})
    return {str(key): str(value) for key, value in standard.items()}


def pair_metadata(
    meta: Mapping[str, str],
    header: Mapping[str, str],
    pair: str,
    baselines: Mapping[str, tuple[float, float]],
) -> dict[str, str]:
    """Combine the stack's metadata with one interferogram's, as MintPy's `filt_fine.unw.rsc`.

    Source: MintPy `prep_isce.add_ifgram_metadata`.

    Parameters
    ----------
    meta : mapping
        `isce_metadata` with geometry.
    header : mapping
        Attributes of the image's header (MintPy `readfile.read_attribute`).
    pair : str
        `YYYYMMDD_YYYYMMDD`.
    baselines : mapping
        `baseline_timeseries`; m.
    """
    first, second = pair.split("_")
    top, bottom = (baselines[second][end] - baselines[first][end] for end in (0, 1))
    own = {"DATE12": f"{first[2:]}-{second[2:]}", "P_BASELINE_TOP_HDR": top, "P_BASELINE_BOTTOM_HDR": bottom}
    return {**meta, **header, **{key: str(value) for key, value in own.items()}}


def write_rsc(meta: Mapping[str, str], path: str | Path) -> None:
    """Write metadata as a ROI_PAC `.rsc` file, which MintPy reads back as `data.rsc`.

    Source: MintPy `writefile.write_roipac_rsc`, which also adds FILE_LENGTH.
    """
    from mintpy.utils import writefile

    writefile.write_roipac_rsc(dict(meta), str(path))
