"""Synthetic topsStack trees with known truth: the demo and the tests use them.

Belongs here: everything needed to write such a tree and to judge a result against its truth. Does not belong here:
reading a topsStack tree (`sbas_assets.topsstack`).
"""

from sbas_assets.simulate.config import SimulationConfig, regular_dates
from sbas_assets.simulate.tree import simulate_stack
from sbas_assets.simulate.truth import VELOCITY_RMSE_THRESHOLD, Truth, compare_velocity, load_truth

__all__ = [
    "VELOCITY_RMSE_THRESHOLD",
    "SimulationConfig",
    "Truth",
    "compare_velocity",
    "load_truth",
    "regular_dates",
    "simulate_stack",
]
