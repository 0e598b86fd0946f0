"""A map as an overlay for globes: no axes, nothing where there are no data, one colour per value.

Belongs here: drawing from an array. Does not belong here: the KML around it (`mintpy/exports.py`).
"""

from __future__ import annotations

import io
import math

import numpy as np
from matplotlib.colors import Colormap
from numpy.typing import NDArray
from PIL import Image

# palette: nothing, the reference point, the colours
_NOTHING, _MARK, _FIRST_COLOR = 0, 1, 2
_MOST_COLORS = 256 - _FIRST_COLOR
# longer side of the picture; MintPy's is at most 7200 (600 dots per inch)
_LEAST_SIDE, _MOST_SIDE = 1200, 7200
_MARK_SHARE = 240  # of the longer side, as in MintPy's


def overlay_picture(
    values: NDArray[np.floating],
    *,
    limits: tuple[float, float],
    colormap: Colormap,
    mark: tuple[int, int] | None = None,
) -> bytes:
    """Draw a map whose edges are those of its outer pixels.

    Parameters
    ----------
    values : ndarray (rows, columns)
        NaN is transparent.
    limits : tuple of float
        Values of the first and of the last colour.
    colormap : Colormap
        Of matplotlib; of more than 254 colours the outermost fall together.
    mark : tuple of int, optional
        Row and column of the reference point, drawn as a black square.

    Returns
    -------
    bytes
        PNG with a palette; at least two picture pixels for a value unless there are very many.
    """
    step = math.ceil(max(values.shape) / _MOST_SIDE)
    shown = values[::step, ::step]
    longest = max(shown.shape)
    scale = max(2, math.ceil(_LEAST_SIDE / longest)) if 2 * longest <= _MOST_SIDE else 1
    numbers = _color_numbers(shown, limits, colormap.N)
    picture = Image.fromarray(numbers).resize(
        (shown.shape[1] * scale, shown.shape[0] * scale), Image.Resampling.NEAREST
    )
    if mark is not None:
        _draw_mark(picture, [(place // step + 0.5) * scale for place in mark])
    picture.putpalette(_palette(colormap))
    stream = io.BytesIO()
    picture.save(stream, format="PNG", transparency=_NOTHING)
    return stream.getvalue()


def _left_out(colors: int) -> int:
    """Colours at the lower end of a colour map for which there is no room."""
    return max(0, colors - _MOST_COLORS + 1) // 2


def _color_numbers(values: NDArray[np.floating], limits: tuple[float, float], colors: int) -> NDArray[np.uint8]:
    """Numbers in the palette, as matplotlib finds the colour of a value."""
    low, high = limits
    numbers = np.empty(values.shape, np.uint8)
    out = _left_out(colors)
    for row, line in enumerate(values):
        valid = np.isfinite(line)
        place = (np.where(valid, line, low) - low) / (high - low) * colors if high > low else np.zeros(line.shape)
        inside = np.clip(place, out, min(out + _MOST_COLORS, colors) - 1).astype(int) - out
        numbers[row] = np.where(valid, inside + _FIRST_COLOR, _NOTHING)
    return numbers


def _palette(colormap: Colormap) -> bytes:
    """Red, green and blue of each number."""
    out = _left_out(colormap.N)
    colors = colormap(np.arange(out, min(out + _MOST_COLORS, colormap.N)), bytes=True)[:, :3]
    return bytes(3 * _FIRST_COLOR) + colors.astype(np.uint8).tobytes()


def _draw_mark(picture: Image.Image, center: list[float]) -> None:
    half = max(picture.size) / _MARK_SHARE / 2
    top, left = (round(place - half) for place in center)
    side = max(2, round(2 * half))
    picture.paste(_MARK, (left, top, left + side, top + side))
