"""Which assets a selection means."""

from __future__ import annotations

from typing import Any

import pytest

from sbas_assets.commands.selection import select
from sbas_assets.definitions import build_definitions
from sbas_assets.errors import InputError

UPSTREAM_OF_TIMESERIES = {"ifgramStack", "geometryRadar", "network", "unwrapPhase_corrected"}


@pytest.fixture(scope="module")
def graph() -> Any:
    return build_definitions().resolve_asset_graph()


def names(graph: Any, text: str | None) -> set[str]:
    return {key.to_user_string() for key in select(graph, text).assets}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("velocity", {"velocity"}),
        ("velocity,geo_velocity", {"velocity", "geo_velocity"}),
        (" velocity , geo_velocity ", {"velocity", "geo_velocity"}),
        ("+timeseries", {"timeseries", *UPSTREAM_OF_TIMESERIES}),
        ("zarr_v*", {"zarr_velocity"}),
        ('key:"geo_vel*"', {"geo_velocity"}),
        ("group:velocity", {"velocity"}),
        ("group:velocity, timeseries", {"velocity", "timeseries"}),
        ("group:stack and not network", UPSTREAM_OF_TIMESERIES - {"network"}),
        ("(velocity or kmz) and not kmz", {"velocity"}),
        ("topsStack", set()),
    ],
)
def test_a_selection_means_what_dagsters_own_language_says(graph: Any, text: str, expected: set[str]) -> None:
    assert names(graph, text) == expected


def test_a_plus_means_everything_upstream_and_a_number_so_many_layers(graph: Any) -> None:
    assert "ifgramStack" in names(graph, "+velocity")
    assert "ifgramStack" not in names(graph, "1+velocity")
    assert "zarr_velocity" in names(graph, "network+")


def test_no_selection_and_a_star_mean_everything(graph: Any) -> None:
    assert names(graph, None) == names(graph, "*")


def test_the_preflight_is_always_checked(graph: Any) -> None:
    for text in ("velocity", "group:geo", "topsStack"):
        assert "preflight" in {key.name for key in select(graph, text).checks}
    assert {key.name for key in select(graph, "kmz").checks} == {"preflight"}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("velocty", "asset-unknown"),
        ("velocity,network,veloci", "asset-unknown"),
        ("group:nix", "selection-empty"),
        ("nix_*", "selection-empty"),
        ("", "selection-invalid"),
        ("(velocity", "selection-invalid"),
        ("velocity,", "selection-invalid"),
        ("velocity network", "selection-invalid"),
        ("$HOME", "selection-invalid"),
        ("tag:", "selection-invalid"),
    ],
)
def test_a_selection_that_means_nothing_is_refused(graph: Any, text: str, code: str) -> None:
    with pytest.raises(InputError) as caught:
        select(graph, text)
    assert caught.value.code == code
    assert caught.value.mend
