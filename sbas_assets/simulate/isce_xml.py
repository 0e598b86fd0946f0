"""ISCE2's XML dump and GDAL VRT headers, letter for letter.

Belongs here: the serialiser and the headers of rasters. Does not belong here: what stands in a subswath's product
(`product_xml`). ISCE2 writes children in alphabetical order, so burst10 comes before burst2; so does this module.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

ISCE_RELEASE = "Release: 2.6.5, svn-, 20260630. Current: svn-."


@dataclass(frozen=True)
class Property:
    """A leaf: a value and its documentation."""

    name: str
    value: object
    doc: str | None = None


@dataclass(frozen=True)
class Component:
    """A node: the factory that rebuilds it, and its children."""

    name: str
    module: str
    factory: str
    children: Iterable[Property | Component] = field(default_factory=tuple)
    args: str | None = None
    doc: str | None = None


def render(root: str, children: Iterable[Property | Component]) -> str:
    """Text of a whole document.

    Parameters
    ----------
    root : str
        Tag of the root element.
    children : iterable of Property or Component
        In any order.

    Returns
    -------
    str
        XML as ISCE2's `dump` writes it, ending in a line feed.
    """
    lines = [f"<{root}>"]
    _append(lines, children, "    ")
    return "\n".join([*lines, f"</{root}>", ""])


def _append(lines: list[str], children: Iterable[Property | Component], indent: str) -> None:
    inner = indent + "    "
    for child in sorted(children, key=lambda c: c.name):
        kind = "property" if isinstance(child, Property) else "component"
        lines.append(f'{indent}<{kind} name="{child.name}">')
        if isinstance(child, Property):
            texts = {"value": child.value, "doc": child.doc}
        else:
            texts = {
                "factorymodule": child.module,
                "factoryname": child.factory,
                "args": child.args,
                "doc": child.doc,
            }
        lines += [f"{inner}<{tag}>{text}</{tag}>" for tag, text in texts.items() if text is not None]
        if isinstance(child, Component):
            _append(lines, child.children, inner)
        lines.append(f"{indent}</{kind}>")


@dataclass(frozen=True)
class Axis:
    """One dimension of an image as ISCE2 describes it; numbers stay as it types them (1, 1.0)."""

    size: int
    start: float | int = 0
    delta: float | int = 1
    end: float | int | None = None

    @property
    def stop(self) -> float | int:
        """Ending value; ISCE2 takes the size where nobody set it."""
        return self.size if self.end is None else self.end


def image_properties(
    file_name: str,
    x: Axis,
    y: Axis,
    *,
    data_type: str,
    bands: int = 1,
    scheme: str = "BIP",
    access: str = "read",
    family: str = "image",
    listed_docs: bool = False,
    extra: Mapping[str, tuple[str, str]] | None = None,
) -> list[Property | Component]:
    """Children of an image's header.

    Parameters
    ----------
    file_name : str
        Path written in the header; readers must not follow it.
    x, y : Axis
        Columns and rows.
    data_type, scheme, access, family : str
        ISCE2's words, in the case it uses for the file in question.
    bands : int
        Number of bands.
    listed_docs : bool
        Whether the coordinates' documentation is a Python list, as in headers that ISCE2 loaded and wrote again.
    extra : mapping of str to (str, str)
        More properties: name to value and documentation.

    Returns
    -------
    list of Property or Component
        To be rendered, in an `imageFile` or inside a product.
    """
    more = extra or {}
    return [
        Property("access_mode", access, "Image access mode."),
        Property("byte_order", "l", "Endianness of the image."),
        _coordinate("coordinate1", x, "First coordinate of a 2D image (width).", listed_docs),
        _coordinate("coordinate2", y, "Second coordinate of a 2D image (length).", listed_docs),
        Property("data_type", data_type, "Image data type."),
        Property("family", family, "Instance family name"),
        Property("file_name", file_name, "Name of the image file."),
        Property("length", y.size, "Image length"),
        Property("name", f"{family}_name", "Instance name"),
        Property("number_bands", bands, "Number of image bands."),
        Property("scheme", scheme, "Interleaving scheme of the image."),
        Property("width", x.size, "Image width"),
        Property("xmax", x.stop, "Maximum range value"),
        Property("xmin", x.start, "Minimum range value"),
        *(Property(name, value, doc) for name, (value, doc) in more.items()),
    ]


def _coordinate(name: str, axis: Axis, doc: str, listed: bool) -> Component:
    children = [
        Property("delta", axis.delta, "Coordinate quantization."),
        Property("endingvalue", axis.stop, "Ending value of the coordinate."),
        Property("family", "imagecoordinate", "Instance family name"),
        Property("name", "imagecoordinate_name", "Instance name"),
        Property("size", axis.size, "Coordinate size."),
        Property("startingvalue", axis.start, "Starting value of the coordinate."),
    ]
    return Component(name, "isceobj.Image", "createCoordinate", children, doc=f"['{doc}']" if listed else doc)


def image_file(children: Iterable[Property | Component]) -> str:
    """Header that isceobj writes."""
    return render("imageFile", [Property("ISCE_VERSION", ISCE_RELEASE), *children])


def gdal_image_file(children: Iterable[Property | Component]) -> str:
    """Header that gdal2isce_xml.py writes: another root, no version."""
    return render("image_name", children)


@dataclass(frozen=True)
class Pixel:
    """How a pixel type is called."""

    gdal: str
    size: int


PIXELS = {"f8": Pixel("Float64", 8), "f4": Pixel("Float32", 4), "u1": Pixel("Byte", 1)}
Scheme = Literal["BSQ", "BIL"]


def raw_vrt(
    file_name: str, length: int, width: int, pixel: str, *, bands: int = 1, scheme: Scheme = "BIL", tag: str = ""
) -> str:
    """VRT of a flat binary file beside it.

    Parameters
    ----------
    file_name : str
        Name without folder.
    length, width : int
        Rows and columns.
    pixel : {"f8", "f4", "u1"}
        Pixel type.
    bands : int
        Number of bands.
    scheme : {"BSQ", "BIL"}
        How bands are interleaved.
    tag : str
        Text between the dataset's start and its first band.

    Returns
    -------
    str
        The document.
    """
    size = PIXELS[pixel].size
    row = width * size
    offset, line = (row * length, row) if scheme == "BSQ" else (row, row * bands)
    text = [f'<VRTDataset rasterXSize="{width}" rasterYSize="{length}">\n', tag]
    text += [
        f'    <VRTRasterBand dataType="{PIXELS[pixel].gdal}" band="{band + 1}" subClass="VRTRawRasterBand">\n'
        f'        <SourceFilename relativeToVRT="1">{file_name}</SourceFilename>\n'
        "        <ByteOrder>LSB</ByteOrder>\n"
        f"        <ImageOffset>{band * offset}</ImageOffset>\n"
        f"        <PixelOffset>{size}</PixelOffset>\n"
        f"        <LineOffset>{line}</LineOffset>\n"
        "    </VRTRasterBand>\n"
        for band in range(bands)
    ]
    return "".join([*text, "</VRTDataset>\n"])
