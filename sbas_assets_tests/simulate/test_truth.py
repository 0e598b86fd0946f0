"""The truth survives on disk, and judges velocities as its documentation says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sbas_assets.errors import InputError
from sbas_assets.simulate import Truth, compare_velocity, load_truth

REFERENCE = (20, 8)


def relative(truth: Truth) -> np.ndarray:
    velocity = truth.linear_velocity()
    return velocity - velocity[REFERENCE]


def test_the_truth_read_back_is_the_truth_written(tiny_stack: tuple[Path, Truth]) -> None:
    folder, truth = tiny_stack
    found = load_truth(folder)
    for name, value in vars(truth).items():
        np.testing.assert_array_equal(getattr(found, name), value)


def test_a_stack_without_truth_is_a_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="truth-missing"):
        load_truth(tmp_path)


def test_the_true_velocity_passes(tiny_stack: tuple[Path, Truth]) -> None:
    truth = tiny_stack[1]
    result = compare_velocity(truth, relative(truth), REFERENCE, truth.valid)
    assert result["passes"] is True
    assert result["rmse_mm_per_year"] == pytest.approx(0, abs=1e-9)
    assert result["coverage"] == 1


def test_a_velocity_of_the_wrong_sign_fails(tiny_stack: tuple[Path, Truth]) -> None:
    truth = tiny_stack[1]
    assert compare_velocity(truth, -relative(truth), REFERENCE, truth.valid)["passes"] is False


def test_a_noisy_reference_pixel_shows_as_bias_only(tiny_stack: tuple[Path, Truth]) -> None:
    truth = tiny_stack[1]
    result = compare_velocity(truth, relative(truth) + 0.004, REFERENCE, truth.valid)
    assert result["bias_mm_per_year"] == pytest.approx(4)
    assert result["rmse_mm_per_year"] == pytest.approx(0, abs=1e-9)
    assert result["passes"] is True


def test_a_velocity_off_by_a_large_constant_fails(tiny_stack: tuple[Path, Truth]) -> None:
    truth = tiny_stack[1]
    assert compare_velocity(truth, relative(truth) + 0.02, REFERENCE, truth.valid)["passes"] is False


def test_a_mask_without_the_bowls_bank_fails_for_coverage(tiny_stack: tuple[Path, Truth]) -> None:
    truth = tiny_stack[1]
    mask = truth.valid.copy()
    mask[:, 20:] = False
    result = compare_velocity(truth, relative(truth), REFERENCE, mask)
    assert result["coverage"] < 0.5
    assert result["passes"] is False


def test_an_empty_mask_fails(tiny_stack: tuple[Path, Truth]) -> None:
    truth = tiny_stack[1]
    assert compare_velocity(truth, relative(truth), REFERENCE, np.zeros_like(truth.valid))["passes"] is False


def test_a_velocity_on_another_grid_is_refused(tiny_stack: tuple[Path, Truth]) -> None:
    truth = tiny_stack[1]
    with pytest.raises(InputError, match="truth-shape"):
        compare_velocity(truth, np.zeros((3, 3)), (0, 0), np.ones((3, 3), dtype=bool))


def test_the_linear_velocity_is_the_slope_of_the_displacements(tiny_stack: tuple[Path, Truth]) -> None:
    truth = tiny_stack[1]
    days = [0, 12, 24, 36]
    series = np.stack([truth.displacement(date) for date in truth.dates]).reshape(len(days), -1)
    slope = np.polyfit(np.array(days) / 365.25, series, 1)[0].reshape(truth.velocity.shape)
    np.testing.assert_allclose(truth.linear_velocity(), slope, atol=1e-10)
