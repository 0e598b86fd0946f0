"""What all pictures share: a figure without pyplot, limits, axes, and a small PNG with a palette.

Belongs here: helpers of `drawings`. Does not belong here: what a picture shows.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from PIL import Image

MAX_BYTES = 100_000
MAX_SIDE = 800
NO_DATA = "0.85"
# Beyond this the picture of a radar image would be a thin line.
MAX_ASPECT = 3.0
# Noise compresses badly: fewer colours first, then fewer pixels.
_COLORS = (256, 64, 24)
_SCALES = (0.75, 0.5, 0.35)
# what 64 colours leave of the size with 256, about
_GAIN = 0.5
# each tick costs as much as a small map
_TICKS = 4


def new_figure(width: float, height: float) -> Figure:
    """Return a figure of a size in inches, drawn at 100 dots per inch; its axes are placed by hand."""
    figure = Figure(figsize=(width, height), dpi=100)
    FigureCanvasAgg(figure)
    return figure


def color_bar(figure: Figure, shown: ScalarMappable, label: str, place: tuple[float, float, float, float]) -> None:
    """Draw the colour bar of an image into a part of the figure (left, bottom, width, height)."""
    bar = figure.colorbar(shown, cax=figure.add_axes(place), label=label, ticks=MaxNLocator(_TICKS))
    bar.ax.tick_params(labelsize=8)


def encode(figure: Figure) -> bytes:
    """Return a figure as a PNG of at most `MAX_BYTES`, with a palette and without dates or program names.

    Colours, then pixels, are as many as the size of the first attempt lets expect to fit.
    """
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    pixels = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
    full = Image.fromarray(pixels).convert("RGB")
    most, some, few = _COLORS
    data = _png(full, most)
    if MAX_BYTES < len(data) <= MAX_BYTES / _GAIN:
        data = _png(full, some)
    if len(data) > MAX_BYTES:
        data = _png(full, few)
    whole = len(data)
    for scale in _SCALES:
        if len(data) > MAX_BYTES and (whole * scale**2 <= MAX_BYTES or scale == _SCALES[-1]):
            size = round(full.width * scale), round(full.height * scale)
            data = _png(full.resize(size, Image.Resampling.LANCZOS), few)
    return data


def _png(picture: Image.Image, colors: int) -> bytes:
    # colours far apart first: else both ends of a colour map could become one
    palette = picture.quantize(colors, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    stream = io.BytesIO()
    # higher levels take up to a second for a tenth of the size
    palette.save(stream, format="PNG", compress_level=4)
    return stream.getvalue()


def decimate(array: NDArray[Any], side: int = MAX_SIDE) -> NDArray[np.float64]:
    """Return every n-th row and column of a map as float64, so that no side is longer than `side`."""
    rows, columns = (max(1, math.ceil(size / side)) for size in array.shape)
    return np.asarray(array[::rows, ::columns], dtype=np.float64)


def robust_limits(maps: Sequence[NDArray[np.float64]], vmin: float | None, vmax: float | None) -> tuple[float, float]:
    """Return colour limits: as given, else the 2nd and 98th percentile, centred on 0 where both signs occur."""
    finite = np.concatenate([shown[np.isfinite(shown)] for shown in maps] or [np.empty(0)])
    low, high = np.percentile(finite, (2, 98)) if finite.size else (0.0, 1.0)
    if low < 0 < high:
        low, high = -max(-low, high), max(-low, high)
    low, high = (low if vmin is None else vmin), (high if vmax is None else vmax)
    # A constant map still needs a colour bar.
    return (float(low), float(high)) if low < high else (float(low) - 0.5, float(low) + 0.5)


def draw_map(
    axes: Axes,
    shown: NDArray[np.float64],
    shape: tuple[int, ...],
    *,
    cmap: str,
    limits: tuple[float, float],
    corner: tuple[float, float] = (0, 0),
) -> AxesImage:
    """Draw a decimated map on axes that count the rows and columns of the full one.

    Parameters
    ----------
    axes : Axes
        Where.
    shown : numpy.ndarray
        (rows, columns) float64, decimated.
    shape : tuple of int
        Rows and columns before decimation.
    cmap : str
        A matplotlib colour map; NaN is grey.
    limits : tuple of float
        Lowest and highest value.
    corner : tuple of float
        Row and column of its first pixel on these axes.
    """
    length, width = shape
    top, left = (place - 0.5 for place in corner)
    colors = matplotlib.colormaps[cmap].with_extremes(bad=NO_DATA)
    return axes.imshow(
        np.ma.masked_invalid(shown),
        cmap=colors,
        vmin=limits[0],
        vmax=limits[1],
        extent=(left, left + width, top + length, top),
        aspect="auto" if is_stretched(shape) else "equal",
        interpolation="nearest",
    )


def is_stretched(shape: tuple[int, ...]) -> bool:
    """Whether a map is too long to be drawn with square pixels."""
    length, width = shape
    return max(length / width, width / length) > MAX_ASPECT


def few_ticks(axes: Axes) -> None:
    """Label rows and columns sparingly."""
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(_TICKS, integer=True))
    axes.tick_params(labelsize=7)


def date_axis(axes: Axes) -> None:
    """Label the x axis with as few dates as tell the years and months apart."""
    locator = AutoDateLocator(minticks=3, maxticks=6)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    axes.tick_params(labelsize=8)
