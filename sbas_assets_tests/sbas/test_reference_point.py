"""The choice of a reference point, as numbers alone."""

from __future__ import annotations

import numpy as np
import pytest

from sbas_assets.sbas.reference_point import choose_reference_point


def test_of_equal_pixels_the_one_in_the_lowest_row_then_column_is_chosen() -> None:
    everywhere = np.ones((4, 5), bool)
    coherence = np.full((4, 5), 0.5)
    for pixel in [(3, 0), (2, 4), (2, 1)]:
        coherence[pixel] = 0.9
    assert choose_reference_point(coherence, everywhere, everywhere) == (2, 1, 0.9)
    coherence[1, 4] = 0.9
    assert choose_reference_point(coherence, everywhere, everywhere)[:2] == (1, 4)


def test_only_the_largest_region_counts_and_of_equally_large_ones_the_first() -> None:
    common = np.ones((4, 7), bool)
    common[:, 2] = False
    coherence = np.full((4, 7), 0.5)
    coherence[0, 0] = 1.0
    valid = np.ones_like(common)
    assert choose_reference_point(coherence, common, valid)[:2] == (0, 3)
    # touching at a corner does not join
    common[:, 5:] = False
    assert choose_reference_point(coherence, common, valid)[:2] == (0, 0)
    valid[0, 0] = False
    assert choose_reference_point(coherence, common, valid)[:2] == (0, 3)


def test_a_coherence_that_is_not_a_number_is_never_chosen_and_no_region_is_an_error() -> None:
    everywhere = np.ones((2, 2), bool)
    coherence = np.array([[np.nan, 0.2], [0.3, np.nan]])
    assert choose_reference_point(coherence, everywhere, everywhere) == (1, 0, 0.3)
    with pytest.raises(ValueError, match="connected component"):
        choose_reference_point(coherence, ~everywhere, everywhere)
