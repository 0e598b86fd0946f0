"""Coarser levels: no-data neither spreads nor biases, masks follow the majority, angles are not averaged."""

from __future__ import annotations

import numpy as np
import pytest

from sbas_assets.published.overviews import Level, Rule, rule_of

NAN = np.nan


def halve(rows: list, rule: Rule, dtype: type = np.float32) -> list:
    return rule.halve(np.array(rows, dtype)).tolist()


def test_the_mean_of_four_pixels():
    assert halve([[1, 2], [3, 6]], Rule()) == [[3]]


def test_no_data_does_not_spread():
    assert halve([[1, NAN], [3, NAN]], Rule()) == [[2]]


def test_pixels_without_any_number_stay_without():
    result = halve([[NAN, NAN, 0, NAN], [NAN, NAN, 0, 0]], Rule())
    assert np.isnan(result[0][0])
    assert result[0][1] == 0


def test_a_pixel_that_was_not_inverted_does_not_pull_the_mean_to_zero():
    assert halve([[4, 0], [NAN, 2]], Rule()) == [[3]]


def test_zero_counts_where_it_is_a_number():
    assert halve([[4, 0], [NAN, 2]], Rule(zero_is_data=True)) == [[2]]


def test_the_last_row_and_column_of_odd_sizes_are_means_of_what_there_is():
    assert halve([[1, 1, 5], [1, 1, 7], [2, 4, 8]], Rule()) == [[1, 6], [3, 8]]


def test_every_date_is_halved_by_itself():
    series = np.stack([np.full((3, 5), 1, np.float32), np.full((3, 5), 2, np.float32)])
    assert Rule().halve(series).tolist() == [[[1] * 3] * 2, [[2] * 3] * 2]


def test_a_mask_is_true_where_at_least_half_is_true():
    mask = [[1, 1, 1, 0, 1], [0, 0, 0, 0, 0], [0, 0, 1, 1, 1]]
    assert halve(mask, Rule("mode"), bool) == [[True, False, True], [False, True, True]]


def test_angles_that_wrap_are_the_first_with_a_number():
    assert halve([[NAN, 179], [-179, 178]], Rule("nearest")) == [[179]]
    assert halve([[0, -3], [2, 1]], Rule("nearest")) == [[-3]]
    assert halve([[0, NAN], [0, 0]], Rule("nearest")) == [[0]]


def test_labels_are_taken_not_averaged():
    assert halve([[7, 2, 9], [1, 1, 1]], Rule("nearest"), np.int32) == [[7, 9]]


@pytest.mark.parametrize(
    ("dtype", "wraps", "method"),
    [("f4", False, "average"), ("f4", True, "nearest"), ("?", False, "mode"), ("i2", False, "nearest")],
)
def test_the_rule_follows_type_and_meaning(dtype, wraps, method):
    assert rule_of(np.dtype(dtype), wraps=wraps, zero_is_data=False, mantissa_bits=None).method == method


def test_a_block_of_a_level_is_that_part_of_the_whole_level():
    maps = np.random.default_rng(1).normal(size=(3, 21, 34)).astype(np.float32)
    level = Level(maps, Rule())
    assert (level.shape, level.dtype) == ((3, 11, 17), np.float32)
    whole = level[0:3, 0:11, 0:17]
    np.testing.assert_array_equal(level[1:2, 4:11, 3:17], whole[1:2, 4:11, 3:17])
