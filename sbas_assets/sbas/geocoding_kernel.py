"""Taking pixels of images by number, compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(nogil=True, cache=True, error_model="numpy")
def take_pixels(
    images: NDArray[Any], pixels: NDArray[np.int32], first: int, fill: Any, start: int, stop: int, out: NDArray[Any]
) -> None:
    """Fill pixels `start` to `stop` (exclusive) of `out` with pixels of `images`.

    Parameters
    ----------
    images : ndarray (layers, size)
        Part of some images that begins with pixel number `first`.
    pixels : ndarray of int32 (places,)
        Number of the pixel to take, negative for `fill`.
    first, start, stop : int
        See above.
    fill : scalar
        Of the type of `images`.
    out : ndarray (layers, places)
        Receives the pixels.
    """
    for layer in range(images.shape[0]):
        for place in range(start, stop):
            pixel = pixels[place]
            out[layer, place] = images[layer, pixel - first] if pixel >= 0 else fill
