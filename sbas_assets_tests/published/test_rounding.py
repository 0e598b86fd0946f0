"""Rounded mantissas: to the nearest, within the error that is told, and nothing else touched."""

from __future__ import annotations

import numpy as np
import pytest

from sbas_assets.published.rounding import Rounded, check_bits, round_mantissa, rounding_attributes


@pytest.mark.parametrize("bits", [1, 7, 10, 22])
def test_the_error_is_no_larger_than_told_and_the_bits_are_gone(bits):
    exact = np.random.default_rng(2).normal(0, 0.05, 10_000).astype(np.float32)
    rounded = round_mantissa(exact, bits)
    relative = np.abs(rounded.astype(float) - exact) / np.abs(exact)
    assert relative.max() <= rounding_attributes(bits)["quantization_maximum_relative_error"]
    assert not (rounded.view(np.uint32) & ((1 << (23 - bits)) - 1)).any()


def test_rounding_goes_to_the_nearest_and_ties_to_even():
    exact = np.array([1.0, 1.125, 1.375, 1.1251, -1.375], np.float32)
    assert round_mantissa(exact, 2).tolist() == [1.0, 1.0, 1.5, 1.25, -1.5]


def test_what_is_no_number_stays_and_nothing_becomes_infinite():
    largest = np.finfo(np.float32).max
    exact = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, largest], np.float32)
    np.testing.assert_array_equal(round_mantissa(exact, 5), exact)
    assert np.signbit(round_mantissa(exact, 5)).tolist() == np.signbit(exact).tolist()


def test_rounding_twice_is_rounding_once():
    once = round_mantissa(np.linspace(-1, 1, 999, dtype=np.float32), 9)
    np.testing.assert_array_equal(round_mantissa(once, 9), once)


def test_numbers_are_rounded_when_they_are_read():
    exact = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)
    numbers = Rounded(exact, 6)
    assert (numbers.shape, numbers.dtype) == (exact.shape, exact.dtype)
    np.testing.assert_array_equal(numbers[1:, :2], round_mantissa(exact, 6)[1:, :2])


@pytest.mark.parametrize("bits", [0, -1, 23, 10.0, "10", True, None])
def test_bits_that_make_no_sense_are_refused(bits):
    with pytest.raises(ValueError, match="mantissa_bits"):
        check_bits(bits)
