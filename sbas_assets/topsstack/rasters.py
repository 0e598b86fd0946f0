"""Headers and pixels of ISCE2 images, without GDAL.

Belongs here: how an image is laid out on disk and reading it block by block. Which images a stack must have
is preflight's business.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sbas_assets.digests import Stamp
from sbas_assets.errors import InputError
from sbas_assets.topsstack.readings import as_read
from sbas_assets.topsstack.xmlfiles import parse_xml, unreadable

ISCE_TYPES = {
    "byte": "u1",
    "short": "i2",
    "int": "i4",
    "float": "f4",
    "double": "f8",
    "cfloat": "c8",
}
"""ISCE2 `data_type`, in any case, to numpy (MintPy `readfile.DATA_TYPE_ISCE2NUMPY`)."""
GDAL_TYPES = {"byte": "u1", "int16": "i2", "int32": "i4", "float32": "f4", "float64": "f8", "cfloat32": "c8"}
BLOCK_BYTES = 16 * 2**20
HEADER_MEND = "write the header again: gdal2isce_xml.py -i {path}, or run again the step that made the image"


@dataclass(frozen=True)
class RasterHeader:
    """How an image is laid out on disk.

    Parameters
    ----------
    width, length : int
        Columns and rows.
    bands : int
        Number of bands.
    interleave : str
        "BIL", "BSQ" or "BIP".
    dtype : str
        numpy type without byte order, e.g. "f4".
    byte_order : str
        "<" or ">".
    file_name : str or None
        The image's path when it was made, as ISCE2 wrote it; it may be on another machine.
    isce_version : str or None
        As written; absent from headers that ISCE2's gdal path writes.
    """

    width: int
    length: int
    bands: int
    interleave: str
    dtype: str
    byte_order: str = "<"
    file_name: str | None = None
    isce_version: str | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.length, self.width

    @property
    def numpy_dtype(self) -> np.dtype[Any]:
        """Type of a pixel, with byte order."""
        return np.dtype(self.byte_order + self.dtype)

    @property
    def size_bytes(self) -> int:
        """Size that the file must have."""
        return self.width * self.length * self.bands * self.numpy_dtype.itemsize

    @property
    def layout(self) -> tuple[int, int, int, str, str]:
        """What decides how bytes become pixels: the part that identifies content wherever the file is."""
        return self.width, self.length, self.bands, self.interleave, self.byte_order + self.dtype


def header_path(raster: Path) -> Path | None:
    """Return the header beside an image: `.xml`, else `.vrt`, else None (MintPy's order)."""
    candidates = (raster.with_name(raster.name + suffix) for suffix in (".xml", ".vrt"))
    return next((path for path in candidates if path.exists() or path.is_symlink()), None)


def read_header(raster: str | Path) -> RasterHeader:
    """Read the header of an image.

    Parameters
    ----------
    raster : path
        The image (not its header).

    Raises
    ------
    InputError
        `header-missing`, `header-unreadable` or `file-unreadable`.
    """
    raster = Path(raster)
    path = header_path(raster)
    if path is None:
        raise InputError(
            "header-missing",
            "is missing: without its header an image cannot be read",
            mend=HEADER_MEND.format(path=raster.name),
            path=raster.with_name(f"{raster.name}.xml"),
        )
    return read_header_file(path)


def read_header_file(path: Path) -> RasterHeader:
    """Read a header by its own path: an ISCE2 `.xml` (`imageFile` or `image_name`) or a `.vrt`.

    One that has not changed since this process read it is not read again: a run asks for each several times.
    """
    try:
        stamp = Stamp.of(path)
    except OSError as error:
        raise unreadable(path, error) from error
    return _as_it_was(path, stamp) if stamp.settled else _parsed(path)


@lru_cache(maxsize=4096)
def _as_it_was(path: Path, stamp: Stamp) -> RasterHeader:  # noqa: ARG001 (another stamp is another header)
    return RasterHeader(*as_read("header", path, lambda: astuple(_parsed(path))))


def _parsed(path: Path) -> RasterHeader:
    root = parse_xml(path, code="header-unreadable")
    try:
        return _from_vrt(root) if root.tag == "VRTDataset" else _from_isce(root)
    except (KeyError, ValueError) as error:
        raise InputError(
            "header-unreadable",
            f"is not the header of an image ({error.args[0]})",
            mend=HEADER_MEND.format(path=path.stem),
            path=path,
        ) from error


def _from_isce(root: ET.Element) -> RasterHeader:
    if not root.tag.startswith("image"):
        raise ValueError(f"its root is <{root.tag}>")
    found = {node.get("name", "").lower(): node.findtext("value") for node in root.findall("property")}
    values = {name: text.strip() for name, text in found.items() if text}
    needed = ("width", "length", "number_bands", "scheme", "data_type")
    absent = [name for name in needed if name not in values]
    if absent:
        raise ValueError(f"it lacks {', '.join(absent)}")
    return RasterHeader(
        width=_count(values["width"]),
        length=_count(values["length"]),
        bands=_count(values["number_bands"]),
        interleave=_interleave(values["scheme"]),
        dtype=_dtype(values["data_type"], ISCE_TYPES),
        byte_order=">" if values.get("byte_order", "l").lower().startswith("b") else "<",
        file_name=values.get("file_name"),
        isce_version=values.get("isce_version"),
    )


def _from_vrt(root: ET.Element) -> RasterHeader:
    bands = root.findall("VRTRasterBand")
    if not bands:
        raise ValueError("it has no bands")
    width = _count(root.get("rasterXSize", ""))
    dtype = _dtype(bands[0].get("dataType", ""), GDAL_TYPES)
    return RasterHeader(
        width=width,
        length=_count(root.get("rasterYSize", "")),
        bands=len(bands),
        interleave=_vrt_interleave(bands, width, np.dtype(dtype).itemsize),
        dtype=dtype,
        byte_order=">" if bands[0].findtext("ByteOrder", "LSB") == "MSB" else "<",
        file_name=bands[0].findtext("SourceFilename"),
    )


def _vrt_interleave(bands: list[ET.Element], width: int, itemsize: int) -> str:
    """Tell the interleaving from the strides: a raw VRT has no word for it."""
    if len(bands) == 1:
        return "BIL"
    if int(bands[0].findtext("PixelOffset", "0")) > itemsize:
        return "BIP"
    return "BSQ" if int(bands[0].findtext("LineOffset", "0")) == width * itemsize else "BIL"


def _count(text: str) -> int:
    value = int(text) if text.strip().isdigit() else 0
    if value < 1:
        raise ValueError(f"a size of {text!r}")
    return value


def _interleave(text: str) -> str:
    if text.upper() not in {"BIL", "BSQ", "BIP"}:
        raise ValueError(f"interleaving {text!r}")
    return text.upper()


def _dtype(text: str, names: dict[str, str]) -> str:
    if text.lower() not in names:
        raise ValueError(f"data type {text!r}")
    return names[text.lower()]


def check_size(raster: Path, header: RasterHeader) -> None:
    """Refuse an image whose size is not what its header says: the one reliable sign of a finished step.

    Raises
    ------
    InputError
        `raster-truncated`, `raster-too-long` or `file-unreadable`.
    """
    try:
        with raster.open("rb") as file:
            size = file.seek(0, 2)
    except OSError as error:
        raise unreadable(raster, error) from error
    if size == header.size_bytes:
        return
    shape = f"{header.length} x {header.width} x {header.bands} x {header.numpy_dtype.itemsize} bytes"
    raise InputError(
        "raster-truncated" if size < header.size_bytes else "raster-too-long",
        f"has {size} bytes, its header says {header.size_bytes} ({shape})",
        mend="run again the topsStack step that writes it; ISCE2 exits with 0 also when it fails",
        path=raster,
    )


def read_band(raster: str | Path, header: RasterHeader, band: int = 1) -> NDArray[Any]:
    """Map one band of an image; nothing is read until it is indexed.

    Parameters
    ----------
    raster : path
        The image.
    header : RasterHeader
        Its header.
    band : int, optional
        Band, from 1. Phase is `phase_band(header)`.

    Returns
    -------
    ndarray, shape (length, width)
        Read-only view, in the type of the file.
    """
    raster = Path(raster)
    check_size(raster, header)
    length, width, bands = header.length, header.width, header.bands
    shapes = {"BSQ": (bands, length, width), "BIL": (length, bands, width), "BIP": (length, width, bands)}
    axis = {"BSQ": 0, "BIL": 1, "BIP": 2}[header.interleave]
    pixels = np.memmap(raster, dtype=header.numpy_dtype, mode="r", shape=shapes[header.interleave])
    view: NDArray[Any] = np.moveaxis(pixels, axis, 0)[band - 1]
    return view


def phase_band(header: RasterHeader) -> int:
    """Return the band of the phase in `.unw` and the coherence in `.cor`: the second of two (as MintPy)."""
    return min(2, header.bands)


def row_blocks(header: RasterHeader, block_bytes: int = BLOCK_BYTES) -> Iterator[slice]:
    """Yield slices of rows whose bytes on disk, all bands, stay below `block_bytes` (at least one row)."""
    rows = max(1, block_bytes // max(1, header.size_bytes // header.length))
    for start in range(0, header.length, rows):
        yield slice(start, min(start + rows, header.length))
