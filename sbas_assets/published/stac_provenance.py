"""What a frame version was made from, short enough for a STAC item.

Belongs here: counts and reasons of the provenance. The full lists are in the Zarr attribute ``provenance``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any

# Taken over as they are: short, or asked for in full.
_WHOLE = (
    "stack_version",
    "isce_version",
    "series",
    "troposphere",
    "unwrapping_error_correction",
    "delay_made_with",
    "era5_preliminary",
    "dates_without_weather",
    "dates_without_correction",
    "dates_with_high_residual",
    "template",
)
_COUNTED = ("pairs_loaded", "pairs_used", "ion_pairs_loaded", "dates_loaded", "dates")


def summarize(provenance: Mapping[str, Any]) -> dict[str, Any]:
    """Return the provenance of a frame version with its long lists as counts.

    Parameters
    ----------
    provenance : mapping
        As in the Zarr attribute ``provenance``.

    Returns
    -------
    dict
        Numbers of pairs and dates, of dropped pairs by reason and of orbit files by kind; the rest as it is. What the
        provenance lacks is not there.
    """
    found: dict[str, Any] = {name: len(provenance[name]) for name in _COUNTED if name in provenance}
    if "pairs_dropped" in provenance:
        # a preflight code, with what it says of the pair behind a colon
        found["pairs_dropped"] = _counts(reason.split(":")[0] for reason in provenance["pairs_dropped"].values())
    if "orbits" in provenance:
        found["orbits"] = _counts(orbit["kind"] for orbit in provenance["orbits"].values())
    return found | {name: provenance[name] for name in _WHOLE if name in provenance}


def corrections(provenance: Mapping[str, Any]) -> list[str]:
    """Return what the series was corrected for, in order: the suffixes of its name, and of the unwrapping."""
    suffixes = PurePosixPath(provenance.get("series", "")).stem.split("_")[1:]
    unwrapping = provenance.get("unwrapping_error_correction", "").removeprefix("unwrapPhase_")
    return [*([unwrapping] if unwrapping else []), *suffixes]


def software(provenance: Mapping[str, Any]) -> dict[str, str]:
    """Return names and versions of the programs that made the products, as far as they are known."""
    produced = provenance.get("produced", {})
    known = {"sbas_assets": produced.get("sbas_assets"), "MintPy": produced.get("mintpy")}
    known["ISCE2"] = provenance.get("isce_version")
    return {name: str(version) for name, version in known.items() if version}


def _counts(values: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(values).items()))
