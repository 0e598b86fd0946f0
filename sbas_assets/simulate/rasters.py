"""The rasters of `merged/` and their headers, as topsStack with its default virtual merge leaves them.

Belongs here: pixel types, interleaving and which of ISCE2's two header styles each file has. Does not belong here: the
numbers (`scene`, `signals`, `geometry`) and the headers' syntax (`isce_xml`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sbas_assets.simulate.config import SimulationConfig
from sbas_assets.simulate.geometry import Geometry, local_incidence
from sbas_assets.simulate.isce_xml import (
    ISCE_RELEASE,
    PIXELS,
    Axis,
    Component,
    Property,
    Scheme,
    gdal_image_file,
    image_file,
    image_properties,
    raw_vrt,
)
from sbas_assets.simulate.layout import Layout
from sbas_assets.simulate.scene import Scene
from sbas_assets.simulate.signals import Interferogram

PLACEHOLDER = "/data/stack"
"""Work folder that the headers name, so that they do not depend on where the tree is written."""

Bands = Sequence[NDArray[np.generic]]

SHADOW_DOC = "['Radar shadow-layover mask. 1 - Radar Shadow. 2 - Radar Layover. 3 - Both.']"
FULL_DESCRIPTIONS = {
    "hgt": "['Pixel-by-pixel height in meters.']",
    "lat": "['Pixel-by-pixel latitude in degrees.']",
    "lon": "['Pixel-by-pixel longitude in degrees.']",
    "los": r"['Two channel Line-Of-Sight geometry image (all angles in degrees). Represents vector drawn from target to"
    r" platform. \n                Channel 1: Incidence angle measured from vertical at target (always +ve)."
    r"\n                Channel 2: Azimuth angle measured from North in Anti-clockwise direction.']",
    "incLocal": r"['Two channel angle file.\n                    Channel 1: Angle between ray to target and the"
    r" vertical at the sensor\n                    Channel 2: Local incidence angle accounting for DEM slope at"
    r" target']",
    "shadowMask": SHADOW_DOC,
}


def _write(path: Path, bands: Bands, pixel: str, scheme: Scheme) -> None:
    """Write bands of equal shape as little-endian binary."""
    stacked = np.stack([band.astype(f"<{pixel}") for band in bands], axis=1 if scheme == "BIL" else 0)
    path.write_bytes(np.ascontiguousarray(stacked).tobytes())


def write_geometry(
    config: SimulationConfig,
    layout: Layout,
    scene: Scene,
    geometry: Geometry,
    *,
    valid: NDArray[np.bool_],
    folder: Path,
) -> None:
    """Write `merged/geom_reference/`.

    Parameters
    ----------
    config, layout, scene, geometry
        What to write.
    valid : ndarray of bool, shape (length, width)
        Pixels inside the subswaths; all rasters are zero elsewhere.
    folder : Path
        Folder to write; made if missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    local = local_incidence(geometry, scene.height, config)
    rasters: dict[str, tuple[str, Bands]] = {
        "hgt": ("f8", [scene.height]),
        "lat": ("f8", [geometry.lat]),
        "lon": ("f8", [geometry.lon]),
        "los": ("f4", [geometry.incidence, geometry.azimuth]),
        "incLocal": ("f4", [geometry.look, local]),
    }
    if config.water_mask:
        rasters["waterMask"] = ("u1", [~scene.river])
    for name, (pixel, bands) in rasters.items():
        _write_multilooked(folder / f"{name}.rdr", [np.where(valid, band, 0) for band in bands], pixel)
    _write_shadow_mask(folder / "shadowMask.rdr", scene.shadow & valid, config, layout)
    for name in FULL_DESCRIPTIONS:
        pixel, n_bands = (rasters[name][0], len(rasters[name][1])) if name in rasters else ("u1", 1)
        _write_full_headers(folder, name, pixel, n_bands, layout)


def _write_multilooked(path: Path, bands: Bands, pixel: str) -> None:
    """Write a raster as GDAL's multilooking does: bands one after the other, header by gdal2isce_xml.py."""
    length, width = bands[0].shape
    _write(path, bands, pixel, "BSQ")
    header = image_properties(
        f"{PLACEHOLDER}/merged/geom_reference/{path.name}",
        Axis(width, 0.0, 1.0, float(width)),
        Axis(length, 0.0, 1.0, float(length)),
        data_type={"f8": "DOUBLE", "f4": "FLOAT", "u1": "BYTE"}[pixel],
        bands=len(bands),
        scheme="BSQ",
        access="READ",
    )
    _beside(path, ".xml", gdal_image_file(header))
    _beside(path, ".vrt", raw_vrt(path.name, length, width, pixel, bands=len(bands), scheme="BSQ"))


def _write_shadow_mask(path: Path, shadow: NDArray[np.bool_], config: SimulationConfig, layout: Layout) -> None:
    """Write the shadow mask, which ISCE2's own multilooking makes: pixel coordinates count full-resolution pixels."""
    length, width = shadow.shape
    _write(path, [shadow], "u1", "BIL")
    name = f"{PLACEHOLDER}/merged/geom_reference/{path.name}"
    burst_samples, burst_lines = _first_burst(layout)
    looks = {"x": config.range_looks, "y": config.azimuth_looks}
    start = {axis: (n - 1) / 2 for axis, n in looks.items()}
    header = image_properties(
        name,
        Axis(width, start["x"], float(looks["x"]), float(burst_samples)),
        Axis(length, start["y"], float(looks["y"]), float(burst_lines)),
        data_type="BYTE",
        scheme="BIL",
        listed_docs=True,
        extra=_loaded_properties(SHADOW_DOC, f"{name}.vrt"),
    )
    _beside(path, ".xml", image_file(header))
    transform = f"{start['x']}, {looks['x']:.1f}, 0.0, {start['y']}, 0.0, {looks['y']:.1f}"
    tag = f"    <SRS>EPSG:4326</SRS>\n    <GeoTransform>{transform}</GeoTransform>\n"
    _beside(path, ".vrt", raw_vrt(path.name, length, width, "u1", tag=tag))


def _loaded_properties(description: str, vrt: str) -> dict[str, tuple[str, str]]:
    """Properties that a header gets when ISCE2 has loaded it from a file and writes it again."""
    return {
        "description": (description, "Image description"),
        "extra_file_name": (vrt, "For example name of vrt metadata."),
        "isce_version": (ISCE_RELEASE, "Information about the isce release version."),
    }


def _first_burst(layout: Layout) -> tuple[int, int]:
    """Samples and lines of the first subswath's first burst."""
    swath = layout.swaths[0]
    return swath.n_samples, swath.bursts[0].n_lines


def _write_full_headers(folder: Path, name: str, pixel: str, n_bands: int, layout: Layout) -> None:
    """Write the headers of the virtual full-resolution raster: MintPy takes the looks from them."""
    samples, lines = _first_burst(layout)
    number = layout.swaths[0].number
    extra = _loaded_properties(FULL_DESCRIPTIONS[name], f"{PLACEHOLDER}/geom_reference/IW{number}/{name}_01.rdr.vrt")
    if name == "los":
        extra["image_type"] = ("bil", "Image type used for displaying.")
    header = image_properties(
        f"{PLACEHOLDER}/merged/geom_reference/{name}.rdr.full",
        Axis(layout.width, 0.0, 1.0, float(samples)),
        Axis(layout.length, 0.0, 1.0, float(lines)),
        data_type={"f8": "DOUBLE", "f4": "FLOAT", "u1": "BYTE"}[pixel],
        bands=n_bands,
        scheme="BIP" if pixel == "f8" else "BIL",
        listed_docs=True,
        extra=extra,
    )
    (folder / f"{name}.rdr.full.xml").write_text(image_file(header))
    (folder / f"{name}.rdr.full.vrt").write_text(_mosaic_vrt(layout, name, pixel, n_bands))


def _mosaic_vrt(layout: Layout, name: str, pixel: str, n_bands: int) -> str:
    """VRT that places the bursts' rasters in the merged grid."""
    text = [f'<VRTDataset rasterXSize="{layout.width}" rasterYSize="{layout.length}">']
    for band in range(1, n_bands + 1):
        text.append(
            f'  <VRTRasterBand dataType="{PIXELS[pixel].gdal}" band="{band}">\n        <NoDataValue>0.0</NoDataValue>\n'
        )
        text += [
            _mosaic_source(f"../../geom_reference/IW{swath.number}/{name}_{burst.number:02d}.rdr.vrt", band, pixel,
                           (swath.n_samples, burst.n_lines), (swath.first_sample, burst.first_line))
            for swath in layout.swaths
            for burst in swath.bursts
        ]  # fmt: skip
        text.append("    </VRTRasterBand>")
    return "".join([*text, "</VRTDataset>"])


def _mosaic_source(file: str, band: int, pixel: str, size: tuple[int, int], offset: tuple[int, int]) -> str:
    x_size, y_size = size
    return (
        "        <SimpleSource>\n"
        f'            <SourceFilename relativeToVRT="1">{file}</SourceFilename>\n'
        f"            <SourceBand>{band}</SourceBand>\n"
        f'            <SourceProperties RasterXSize="{x_size}" RasterYSize="{y_size}"'
        f' DataType="{PIXELS[pixel].gdal}"/>\n'
        f'            <SrcRect xOff="0" yOff="0" xSize="{x_size}" ySize="{y_size}"/>\n'
        f'            <DstRect xOff="{offset[0]}" yOff="{offset[1]}" xSize="{x_size}" ySize="{y_size}"/>\n'
        "        </SimpleSource>\n"
    )


def write_interferogram(interferogram: Interferogram, folder: Path, *, conncomp: bool) -> None:
    """Write the files of one pair that MintPy reads.

    Parameters
    ----------
    interferogram : Interferogram
        Phase (rad), coherence and connected components.
    folder : Path
        `merged/interferograms/D1_D2`; made if missing.
    conncomp : bool
        Whether to write the connected components.
    """
    folder.mkdir(parents=True, exist_ok=True)
    length, width = interferogram.phase.shape
    axes = Axis(width), Axis(length)
    place = f"{PLACEHOLDER}/merged/interferograms/{folder.name}"

    def write(name: str, bands: Bands, pixel: str, header: list[Property | Component]) -> None:
        _write(folder / name, bands, pixel, "BIL")
        _beside(folder / name, ".xml", image_file(header))
        _beside(folder / name, ".vrt", raw_vrt(name, length, width, pixel, bands=len(bands)))

    unw, cor, components = (f"filt_fine.{end}" for end in ("unw", "cor", "unw.conncomp"))
    image = {"image_type": ("unw", "Image type used for displaying.")}
    header = image_properties(
        f"{place}/{unw}", *axes, data_type="float", bands=2, scheme="BIL", family="unwimage", extra=image
    )
    write(unw, [interferogram.amplitude, interferogram.phase], "f4", header)
    vrt = {"extra_file_name": (f"{place}/{cor}.vrt", "For example name of vrt metadata.")}
    header = image_properties(f"{place}/{cor}", *axes, data_type="FLOAT", access="writeread", extra=vrt)
    write(cor, [interferogram.coherence], "f4", header)
    if conncomp:
        header = image_properties(f"{place}/{components}", *axes, data_type="BYTE")
        write(components, [interferogram.component], "u1", header)


def _beside(path: Path, suffix: str, text: str) -> None:
    path.with_name(path.name + suffix).write_text(text)
