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
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import NDArray
from PIL import Image

MAX_BYTES = 100_000
MAX_SIDE = 800
NO_DATA = "0.85"
# Beyond this the picture of a radar image would be a thin line.
MAX_ASPECT = 3.0
# Noise compresses badly: fewer colours first, then fewer pixels.
_COLORS = (256, 64, 24)
_SCALES = (1.0, 0.75, 0.5, 0.35)


def new_figure(width: float, height: float) -> Figure:
    """Return a figure of a size in inches, drawn at 100 dots per inch."""
    figure = Figure(figsize=(width, height), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def encode(figure: Figure) -> bytes:
    """Return a figure as a PNG of at most `MAX_BYTES`, with a palette and without dates or program names."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    pixels = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
    full = Image.fromarray(pixels).convert("RGB")
    data = b""
    for scale in _SCALES:
        size = round(full.width * scale), round(full.height * scale)
        picture = full if scale == 1 else full.resize(size, Image.Resampling.LANCZOS)
        for colors in _COLORS:
            data = _png(picture, colors)
            if len(data) <= MAX_BYTES:
                return data
    return data


def _png(picture: Image.Image, colors: int) -> bytes:
    palette = picture.quantize(colors, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    stream = io.BytesIO()
    palette.save(stream, format="PNG", optimize=True)
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
    flips: tuple[bool, bool],
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
    flips : tuple of bool
        Up-down, left-right.
    """
    length, width = shape
    stretched = max(length / width, width / length) > MAX_ASPECT
    colors = matplotlib.colormaps[cmap].with_extremes(bad=NO_DATA)
    image = axes.imshow(
        np.ma.masked_invalid(shown),
        cmap=colors,
        vmin=limits[0],
        vmax=limits[1],
        extent=(-0.5, width - 0.5, length - 0.5, -0.5),
        aspect="auto" if stretched else "equal",
        interpolation="nearest",
    )
    axes.tick_params(labelsize=7)
    if flips[0]:
        axes.invert_yaxis()
    if flips[1]:
        axes.invert_xaxis()
    return image


def date_axis(axes: Axes) -> None:
    """Label the x axis with as few dates as tell the years and months apart."""
    locator = AutoDateLocator()  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    axes.tick_params(labelsize=8)
