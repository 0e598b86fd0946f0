"""Small pictures of products and networks for the Dagster UI: PNG, at most 100 kB, the same bytes every time.

Belongs here: drawing from arrays. Does not belong here: reading the arrays, and plots for people's papers
(MintPy's view.py, `reading.plot_point`). Figures are drawn without pyplot, whose state is shared by all threads.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from sbas_assets.pictures.canvas import (
    MAX_SIDE,
    color_bar,
    date_axis,
    decimate,
    draw_map,
    encode,
    few_ticks,
    new_figure,
    robust_limits,
)

MAX_MAPS = 9
# space above and beside the maps of a series, as parts of their height and width
_TITLE, _GAP = 0.14, 0.04


def map_picture(
    array2d: NDArray[Any],
    *,
    title: str,
    label: str,
    cmap: str = "RdBu_r",
    vmin: float | None = None,
    vmax: float | None = None,
    mark: tuple[int, int] | None = None,
    flip_ud: bool = False,
    flip_lr: bool = False,
) -> bytes:
    """Draw a map.

    Parameters
    ----------
    array2d : numpy.ndarray
        (rows, columns), any real type; large ones are decimated, NaN is grey.
    title, label : str
        Above the map, and beside its colour bar (quantity and unit).
    cmap : str
        A matplotlib colour map.
    vmin, vmax : float, optional
        Limits in the array's unit; the 2nd and 98th percentile where None.
    mark : tuple of int, optional
        Row and column of the reference point, drawn as a square.
    flip_ud, flip_lr : bool
        Turn a radar image so that north is up and east is right, as MintPy's view.py does.

    Returns
    -------
    bytes
        PNG with a palette, at most `canvas.MAX_BYTES`.
    """
    shown = decimate(np.asarray(array2d))
    figure = new_figure(6.4, 4.8)
    axes = figure.add_axes((0.08, 0.07, 0.73, 0.86))
    limits = robust_limits([shown], vmin, vmax)
    image = draw_map(axes, shown, array2d.shape, cmap=cmap, limits=limits)
    few_ticks(axes)
    if flip_ud:
        axes.invert_yaxis()
    if flip_lr:
        axes.invert_xaxis()
    if mark is not None:
        axes.plot(mark[1], mark[0], "s", color="black", markerfacecolor="white", markersize=5)
    axes.set_title(title, fontsize=10)
    color_bar(figure, image, label, (0.84, 0.15, 0.03, 0.7))
    return encode(figure)


def series_maps_picture(
    array3d_reader: Callable[[int], NDArray[Any]],
    dates: Sequence[str],
    *,
    title: str,
    label: str,
    cmap: str = "RdBu_r",
    vmin: float | None = None,
    vmax: float | None = None,
    flip_ud: bool = False,
    flip_lr: bool = False,
) -> bytes:
    """Draw at most nine maps of a series, evenly spaced and always with the first and the last.

    Parameters
    ----------
    array3d_reader : callable
        Gives the (rows, columns) map of a date's index; called for the shown dates only, one at a time.
    dates : sequence of str
        One for each map.
    title, label, cmap, vmin, vmax, flip_ud, flip_lr
        As for `map_picture`; the limits are common to all maps.

    Returns
    -------
    bytes
        PNG with a palette, at most `canvas.MAX_BYTES`.
    """
    indices = np.unique(np.linspace(0, len(dates) - 1, min(MAX_MAPS, len(dates))).round().astype(int))
    shape, maps = (1, 1), []
    for index in indices:
        full = np.asarray(array3d_reader(int(index)))
        shape = full.shape
        maps.append(decimate(full, MAX_SIDE // 3)[:: -1 if flip_ud else 1, :: -1 if flip_lr else 1])
    limits = robust_limits(maps, vmin, vmax)
    columns = max(1, math.ceil(math.sqrt(len(maps))))
    rows = max(1, math.ceil(len(maps) / columns))
    figure = new_figure(7.2, 0.4 + 6.8 * rows / columns * min(1.5, max(0.4, shape[0] / shape[1])))
    axes = figure.add_axes((0.01, 0.01, 0.86, 0.99 - 0.25 / figure.get_figheight()))
    axes.set_axis_off()
    image = None
    # one pair of axes for all maps: it takes as long as drawing one of them
    down, right = (1 + _TITLE) * shape[0], (1 + _GAP) * shape[1]
    for number, (index, shown) in enumerate(zip(indices, maps, strict=True)):
        row, column = divmod(number, columns)
        corner = row * down + _TITLE * shape[0], column * right
        image = draw_map(axes, shown, shape, cmap=cmap, limits=limits, corner=corner)
        axes.text(corner[1] + shape[1] / 2, corner[0], dates[index], fontsize=8, ha="center", va="bottom")
    axes.set_anchor("N")
    axes.set_xlim(-0.5, columns * right)
    axes.set_ylim(rows * down, -0.5)
    if image is not None:
        color_bar(figure, image, label, (0.9, 0.15, 0.02, 0.7))
    figure.suptitle(title, fontsize=10, y=0.985)
    return encode(figure)


def network_picture(
    pairs: Sequence[tuple[str, str]],
    bperp_by_date: Mapping[str, float],
    dropped: Sequence[tuple[str, str]] = (),
    coherence_by_pair: Mapping[tuple[str, str], float] | None = None,
) -> bytes:
    """Draw the network of pairs over time and perpendicular baseline.

    Parameters
    ----------
    pairs : sequence of (str, str)
        Kept pairs, dates as ``YYYYMMDD``.
    bperp_by_date : mapping
        Perpendicular baseline in metres of every date.
    dropped : sequence of (str, str)
        Pairs that are not used: dashed.
    coherence_by_pair : mapping, optional
        Mean spatial coherence, 0 to 1, colours the kept pairs.

    Returns
    -------
    bytes
        PNG with a palette, at most `canvas.MAX_BYTES`.
    """
    figure = new_figure(7.2, 4)
    axes = figure.add_axes((0.1, 0.12, 0.88 if coherence_by_pair is None else 0.75, 0.8))
    days = {day: np.datetime64(f"{day[:4]}-{day[4:6]}-{day[6:8]}") for day in sorted(bperp_by_date)}
    baselines = [bperp_by_date[day] for day in days]
    dots = axes.plot(np.array(list(days.values())), baselines, "o", color="black", markersize=3, zorder=3)[0]
    places = dict(zip(days, np.asarray(dots.get_xydata(), np.float64), strict=True))
    colors = _pair_colors(figure, pairs, coherence_by_pair)
    # one artist for all pairs of a kind: one for each takes twice as long for the whole picture
    without, kept = ([np.array([places[first], places[second]]) for first, second in some] for some in (dropped, pairs))
    if without:
        axes.add_collection(LineCollection(without, colors="0.7", linewidths=0.6, linestyles="--", zorder=1))
    if kept:
        axes.add_collection(LineCollection(kept, colors=colors, linewidths=0.8, zorder=2))
    date_axis(axes)
    axes.set_ylabel("perpendicular baseline [m]")
    axes.set_title(f"{len(days)} dates, {len(pairs)} pairs kept, {len(dropped)} dropped", fontsize=10)
    return encode(figure)


def _pair_colors(
    figure: Figure,
    pairs: Sequence[tuple[str, str]],
    coherence_by_pair: Mapping[tuple[str, str], float] | None,
) -> list[Any]:
    """Return a colour for each pair, and draw the colour bar if they mean something."""
    if coherence_by_pair is None:
        return ["tab:blue"] * len(pairs)
    scale = ScalarMappable(Normalize(0, 1), "viridis")
    color_bar(figure, scale, "mean spatial coherence", (0.87, 0.15, 0.025, 0.7))
    # A pair whose coherence is not known is drawn as having none.
    return list(scale.to_rgba(np.array([coherence_by_pair.get(pair, 0.0) for pair in pairs])))


def series_picture(
    dates: Sequence[str],
    values: Sequence[float],
    *,
    title: str,
    label: str,
    highlight: Sequence[str] | None = None,
) -> bytes:
    """Draw one number per date as bars, e.g. the residual RMS.

    Parameters
    ----------
    dates : sequence of str
        ``YYYYMMDD``.
    values : sequence of float
        One for each date; NaN leaves a gap.
    title, label : str
        Above the bars, and beside them (quantity and unit).
    highlight : sequence of str, optional
        Dates drawn in another colour, e.g. the noisy ones.

    Returns
    -------
    bytes
        PNG with a palette, at most `canvas.MAX_BYTES`.
    """
    figure = new_figure(7.2, 3.2)
    axes = figure.add_axes((0.1, 0.13, 0.88, 0.77))
    days = np.array([f"{day[:4]}-{day[4:6]}-{day[6:8]}" for day in dates], dtype="datetime64[D]")
    gaps = np.diff(days).astype(int)
    width = 0.8 * float(gaps.min()) if gaps.size else 1.0
    marked = set(highlight or ())
    colors = ["tab:red" if day in marked else "tab:blue" for day in dates]
    axes.bar(days, np.asarray(values, dtype=float), width=width, color=colors)
    date_axis(axes)
    axes.set_ylabel(label)
    axes.set_title(title, fontsize=10)
    return encode(figure)
