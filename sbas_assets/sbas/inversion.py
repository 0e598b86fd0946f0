"""From the phase of a network of pairs to the phase of its dates: weighted least squares for every pixel.

The numbers are those of MintPy's `ifgram_inversion.py`, pixel by pixel; the time is another. Arrays in, arrays out:
which file they come from is stack_inversion.py's business.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sbas_assets.sbas import inversion_types as types
from sbas_assets.sbas.condensation import Stage, no_tail, system_of, tail_of
from sbas_assets.sbas.inversion_kernel import invert_pixels
from sbas_assets.sbas.network import Network
from sbas_assets.threads import Share

Phase = NDArray[np.float32]
_WEIGHTING = {"no": types.NO_WEIGHT, "var": types.TABLE, "coh": types.COHERENCE, "fim": types.FISHER}
_MASKING = {None: types.NO_MASK, "connectComponent": types.MASK_ZERO, "coherence": types.MASK_BELOW}
_MOST_LOOKS = 80  # beyond it the variance of the phase underflows (`coherence2phase_variance`)


@dataclass(frozen=True)
class Options:
    """`mintpy.networkInversion.*`, as far as the kernel knows them: all that apply to phase.

    Parameters
    ----------
    weight : str
        `weightFunc`: inverse variance of the phase, Fisher information, coherence, or none.
    looks : int
        Independent looks, for the first two.
    mask : str, optional
        `maskDataset`.
    threshold : float
        `maskThreshold`, for a mask by coherence.
    redundancy : float
        `minRedundancy`: least number of pairs of a date.
    velocity : bool
        `minNormVelocity`: where pairs are missing so that the network falls apart, the velocity has least norm,
        otherwise the phase.
    """

    weight: Literal["var", "fim", "coh", "no"] = "var"
    looks: int = 1
    mask: Literal["coherence", "connectComponent"] | None = None
    threshold: float = 0.4
    redundancy: float = 1.0
    velocity: bool = True


@dataclass(frozen=True)
class Inverted:
    """What the inversion gives for a block of pixels.

    Parameters
    ----------
    series : ndarray of float32 (dates, pixels)
        Phase times `scale`, zero at the first date.
    quality : ndarray of float32 (pixels,)
        Temporal coherence, 0 to 1.
    count : ndarray of int16 (pixels,)
        Pairs used.
    status : ndarray of int8 (pixels,)
        `SKIPPED`, `SOLVED`, `DISCONNECTED`, `TOO_FEW` or `ILL_CONDITIONED` of inversion_types; `UNKNOWN` where only a
        part of the network was given, and it does not tell.
    kept : Kept, optional
        For the next stage.
    moved : ndarray of float64 (pixels,), optional
        Largest change of the solution at the dates of the last frontier (rad).
    """

    series: Phase
    quality: Phase
    count: NDArray[np.int16]
    status: NDArray[np.int8]
    kept: types.Kept | None = None
    moved: NDArray[np.float64] | None = None


def invert(
    network: Network,
    options: Options,
    phase: Phase,
    reference: Phase,
    share: Share,
    *,
    coherence: Phase | None = None,
    mask: NDArray[Any] | None = None,
    wanted: NDArray[np.bool_] | None = None,
    scale: float = 1.0,
    stage: Stage | None = None,
    before: types.Kept | None = None,
) -> Inverted:
    """Invert the network for a block of pixels.

    Parameters
    ----------
    network : Network
        The pairs, in the order of the observations.
    options : Options
        How to weigh and what to leave out.
    phase : ndarray of float32 (pairs, pixels)
        Unwrapped phase (rad); zero and NaN are no data.
    reference : ndarray of float32 (pairs,)
        Phase at the reference point (rad), taken off.
    share : callable
        Threads to compute with (`pixel_threads`).
    coherence : ndarray of float32 (pairs, pixels), optional
        Spatial coherence; needed for weights.
    mask : ndarray (pairs, pixels), optional
        Values of the mask dataset; needed where the options name one.
    wanted : ndarray of bool (pixels,), optional
        Pixels to invert; all of them by default.
    scale : float
        Factor of the output, such as -wavelength / (4 pi) for metres towards the satellite.
    stage : Stage, optional
        Of the network, which then is `stage.network`, if something is to be kept for a later inversion. The series of a
        pixel that is kept as HIDDEN is that of its dates with pairs, and not for showing.
    before : Kept, optional
        What the stage goes on from.

    Notes
    -----
    Source: MintPy `ifgram_inversion.estimate_timeseries`. For a pixel whose valid pairs connect all dates the
    solution is unique. Where they do not, the parts are shifted to the least norm. A pixel whose weights differ so
    much that MintPy's cut-off of small singular values may act on it is given to MintPy itself.
    """
    pixels = phase.shape[1]
    wanted = np.ones(pixels, np.bool_) if wanted is None else wanted
    out = Inverted(
        series=np.empty((len(network.dates), pixels), np.float32),
        quality=np.empty(pixels, np.float32),
        count=np.empty(pixels, np.int16),
        status=np.empty(pixels, np.int8),
    )
    seen = _observations(options, phase, reference, coherence, mask, wanted, scale)
    tail = no_tail() if stage is None else tail_of(stage, before, pixels)
    system, results = (
        stage.system if stage else system_of(network),
        types.Results(out.series, out.quality, out.count, out.status),
    )
    share(lambda start, stop: invert_pixels(system, seen, start, stop, results, tail), pixels)
    left = np.flatnonzero(out.status == types.ILL_CONDITIONED)
    if left.size:
        _by_mintpy(network, options, seen, left, out)
    return out if stage is None else replace(out, kept=tail.after, moved=tail.moved)


def _observations(  # noqa: PLR0917 - the arguments of `invert`
    options: Options,
    phase: Phase,
    reference: Phase,
    coherence: Phase | None,
    mask: NDArray[Any] | None,
    wanted: NDArray[np.bool_],
    scale: float,
) -> types.Observations:
    """What the kernel reads, always of the same types, so that it is compiled once."""
    nothing = np.zeros((1, 1), np.float32)
    weighting = _WEIGHTING[options.weight]
    return types.Observations(
        phase=phase,
        reference=np.asarray(reference, np.float32),
        coherence=nothing if coherence is None else coherence,
        weighting=weighting,
        table=_variance_weights(options.looks) if weighting == types.TABLE else np.zeros(1),
        looks=float(options.looks),
        mask=nothing if mask is None else np.asarray(mask, np.float32),
        masking=_MASKING[options.mask],
        threshold=np.float32(options.threshold),
        wanted=wanted,
        redundancy=float(options.redundancy),
        velocity=bool(options.velocity),
        scale=float(scale),
    )


@cache
def _variance_weights(looks: int) -> NDArray[np.float64]:
    """Weight by bin of coherence: inverse variance of the phase (Tough et al., 1995; `coherence2phase_variance`)."""
    from mintpy.simulation.decorrelation import phase_variance_ds

    bins = np.linspace(0.005, 1.0, num=200) - 0.0025
    weight = (1.0 / phase_variance_ds(min(looks, _MOST_LOOKS), bins)[0]).astype(np.float32)
    roots: NDArray[np.float64] = np.sqrt(weight).astype(np.float64)
    return roots**2


def _by_mintpy(
    network: Network, options: Options, seen: types.Observations, pixels: NDArray[np.intp], out: Inverted
) -> None:
    """Give the pixels that the kernel left to MintPy."""
    from mintpy.ifgram_inversion import estimate_timeseries
    from mintpy.objects import ifgramStack

    names = [f"{network.dates[i]}_{network.dates[j]}" for i, j in zip(network.first, network.second, strict=True)]
    phases, velocities = ifgramStack.get_design_matrix4timeseries(names)
    observed, roots = _as_mintpy_has_them(options, seen, pixels)
    for column, pixel in enumerate(pixels):
        series, out.quality[pixel], out.count[pixel] = estimate_timeseries(
            phases,
            velocities,
            observed[:, column],
            network.years.astype(np.float32).reshape(-1, 1),
            weight_sqrt=None if roots is None else roots[:, column],
            min_norm_velocity=options.velocity,
            min_redundancy=options.redundancy,
        )
        out.series[:, pixel] = series.ravel() * np.float32(seen.scale)


def _as_mintpy_has_them(
    options: Options, seen: types.Observations, pixels: NDArray[np.intp]
) -> tuple[Phase, Phase | None]:
    """Observations with NaN for no data, and the square roots of their weights (`run_ifgram_inversion_patch`)."""
    from mintpy.simulation.decorrelation import coherence2weight

    raw = seen.phase[:, pixels]
    observed = np.where(raw == 0, np.float32(np.nan), raw - seen.reference[:, None])
    observed[observed == 0] = np.nan
    if options.mask is not None:
        values = np.nan_to_num(seen.mask[:, pixels])
        observed[values == 0 if options.mask == "connectComponent" else values < seen.threshold] = np.nan
    if options.weight == "no":
        return observed, None
    similarity = np.nan_to_num(seen.coherence[:, pixels])
    return observed, np.sqrt(coherence2weight(similarity, options.weight, L=options.looks, print_msg=False))
