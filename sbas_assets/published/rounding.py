"""Numbers with fewer bits of mantissa, which compress better, and how CF wants that told.

Belongs here: the rounding and its attributes. Does not belong here: which arrays are rounded (`cf_dataset`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sbas_assets import __version__
from sbas_assets.published.sliceable import Numbers

MANTISSA = 23  # bits of a float32's mantissa, the leading 1 not counted
CONTAINER = "quantization_info"
STATED = "quantization_nsb"


def check_bits(bits: int) -> int:
    """Return a number of mantissa bits that rounding makes sense for.

    Raises
    ------
    ValueError
        It is not from 1 to 22.
    """
    if isinstance(bits, bool) or not isinstance(bits, int) or not 1 <= bits < MANTISSA:
        raise ValueError(f"mantissa_bits is {bits!r}, not a number from 1 to {MANTISSA - 1}")
    return bits


def round_mantissa(numbers: NDArray[Any], bits: int) -> NDArray[Any]:
    """Return float32 numbers rounded to the nearest with so many bits of mantissa, ties to even.

    Parameters
    ----------
    numbers : ndarray of float32
        NaN and infinity stay what they are; so does a number that would become infinite.
    bits : int
        1 to 22; the relative error is at most ``2 ** -(bits + 1)`` for all but subnormal numbers.
    """
    drop = np.uint32(MANTISSA - check_bits(bits))
    pattern = np.ascontiguousarray(numbers, np.float32).view(np.uint32)
    half = np.uint32((1 << (int(drop) - 1)) - 1)
    rounded = pattern + (half + ((pattern >> drop) & np.uint32(1)))
    rounded &= np.uint32(0xFFFFFFFF) << drop
    result = rounded.view(np.float32)
    return np.where(np.isfinite(numbers) & np.isfinite(result), result, numbers)


@dataclass(frozen=True)
class Rounded:
    """Numbers that are rounded when they are read.

    Parameters
    ----------
    exact : Numbers
        float32.
    bits : int
        Of mantissa that stay.
    """

    exact: Numbers
    bits: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the exact numbers."""
        return self.exact.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32."""
        return self.exact.dtype

    def __getitem__(self, key: Any) -> NDArray[Any]:
        return round_mantissa(self.exact[key], self.bits)


def rounding_attributes(bits: int) -> dict[str, Any]:
    """Return what a rounded array says of it, as in CF 1.12, section 8.4, and the largest relative error."""
    error = 2.0 ** -(bits + 1)
    return {"quantization": CONTAINER, STATED: bits, "quantization_maximum_relative_error": error}


def container_attributes() -> dict[str, Any]:
    """Return the attributes of the scalar variable that the rounded arrays of a group name."""
    return {"algorithm": "bitround", "implementation": f"sbas_assets version {__version__}"}
