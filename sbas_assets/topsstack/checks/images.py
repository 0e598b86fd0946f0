"""Checks of one image: its header, its size, its type, and whether it holds anything."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from sbas_assets.errors import InputError
from sbas_assets.topsstack.rasters import (
    HEADER_MEND,
    RasterHeader,
    check_size,
    read_band,
    read_header,
    row_blocks,
)
from sbas_assets.topsstack.readings import as_read
from sbas_assets.topsstack.xmlfiles import unreadable

KINDS = {
    "unw": "f",
    "cor": "f",
    "conncomp": "iu",
    "height": "f",
    "latitude": "f",
    "longitude": "f",
    "incidence_angle": "f",
    "azimuth_angle": "f",
}
"""numpy kinds of number that an image may hold; what is not named is not checked."""
PROBE_BYTES = 2**14
PAIR_IN_PATH = re.compile(r"(?<!\d)\d{8}_\d{8}(?!\d)")
MEND_STEP = "run again the topsStack step that writes it"


def inspect_image(raster: Path, dataset: str, pair: str | None = None) -> tuple[RasterHeader | None, list[InputError]]:
    """Look at an image without reading its pixels.

    Parameters
    ----------
    raster : Path
        The image.
    dataset : str
        What it is, e.g. "unw".
    pair : str, optional
        The pair that its folder names.

    Returns
    -------
    header : RasterHeader or None
        None if it cannot be read.
    errors : list of InputError
        Everything that is wrong.
    """
    try:
        header = mintpy_header(raster)
    except InputError as error:
        return None, [error, *_errors([lambda: _check_opens(raster)])]
    return header, _errors(
        [
            lambda: check_size(raster, header),
            lambda: _check_byte_order(raster, header),
            lambda: _check_kind(raster, header, dataset),
            lambda: _check_origin(raster, header, pair),
        ]
    )


def _errors(checks: list[Callable[[], None]]) -> list[InputError]:
    errors = []
    for check in checks:
        try:
            check()
        except InputError as error:
            errors.append(error)
    return errors


def mintpy_header(raster: Path) -> RasterHeader:
    """Read the `.xml` header; a `.vrt` alone is refused, because MintPy's prep_isce does not take it."""
    xml = raster.with_name(f"{raster.name}.xml")
    if not os.path.lexists(xml):
        raise InputError(
            "header-missing",
            "is missing: MintPy takes size and type of the image from it",
            mend=HEADER_MEND.format(path=raster.name),
            path=xml,
        )
    return read_header(raster)


def _check_opens(raster: Path) -> None:
    try:
        raster.open("rb").close()
    except OSError as error:
        raise unreadable(raster, error) from error


def _check_byte_order(raster: Path, header: RasterHeader) -> None:
    if header.byte_order == ">":
        cause = "is big-endian; MintPy reads every ISCE2 image as little-endian"
        raise InputError("raster-big-endian", cause, mend=MEND_STEP + " on a little-endian machine", path=raster)


def _check_kind(raster: Path, header: RasterHeader, dataset: str) -> None:
    kinds = KINDS.get(dataset)
    if kinds is not None and header.numpy_dtype.kind not in kinds:
        cause = f"holds {header.numpy_dtype.name}, which is never a {dataset} image"
        raise InputError("raster-of-wrong-type", cause, mend=MEND_STEP, path=raster)


def _check_origin(raster: Path, header: RasterHeader, pair: str | None) -> None:
    """Compare pair and name in the header's `file_name`; its folders may be of another machine."""
    if pair is None or header.file_name is None:
        return
    xml = raster.with_name(f"{raster.name}.xml")
    mend = "copy image and header together from the pair that they belong to, or run its unwrap step again"
    written = PAIR_IN_PATH.findall(header.file_name)
    if written and written[-1] != pair:
        cause = f"was written for pair {written[-1]}, but lies in the folder of {pair}"
        raise InputError("header-of-another-pair", cause, mend=mend, path=xml)
    name = header.file_name.replace("\\", "/").rsplit("/", 1)[-1]
    if name != raster.name:
        raise InputError("header-of-another-file", f"was written for {name}", mend=mend, path=xml)


def holds_values(raster: Path, header: RasterHeader, band: int) -> bool:
    """Tell whether any pixel of a band is finite and not zero.

    Looks at small blocks from the middle on and stops at the first value: a good image costs one block.
    """

    def read() -> bool:
        pixels = read_band(raster, header, band)
        blocks = list(row_blocks(header, PROBE_BYTES))
        middle = len(blocks) // 2
        found = (pixels[rows] for rows in blocks[middle:] + blocks[:middle])
        return any(bool(np.any(np.isfinite(block) & (block != 0))) for block in found)

    return bool(as_read(f"values in band {band} of {header.layout}", raster, read))
