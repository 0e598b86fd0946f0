"""Which assets a run makes: Dagster's selection syntax, with plain names and commas.

`velocity`, `+velocity` (with all it needs), `network+` (with all that is made from it), `geo_*`, `group:geo`,
`velocity,geo_velocity`, and whatever else Dagster's own selection language says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from sbas_assets.errors import InputError

if TYPE_CHECKING:
    import dagster as dg
    from dagster._core.definitions.assets.graph.asset_graph import AssetGraph

PREFLIGHT = "preflight"

_WORDS = {"and", "or", "not", "sinks", "roots"}
_TOKEN = re.compile(
    r"""
    (?P<attribute>[A-Za-z_]+:(?:"[^"]*"|[^\s,()+"])+)  # group:geo, key:"geo_*", tag:"a"="b"
    | (?P<depth>\d*\+\d*)                              # + before or after a name
    | (?P<name>"[^"]*"|[A-Za-z0-9_*][\w*./-]*)
    | (?P<other>[(),])
    """,
    re.VERBOSE,
)


@dataclass(frozen=True)
class Selection:
    """Assets to make, and checks to make with them."""

    assets: frozenset[dg.AssetKey]
    checks: frozenset[dg.AssetCheckKey]


def select(graph: AssetGraph, text: str | None) -> Selection:
    """Find the assets that a selection means; without one, all.

    Parameters
    ----------
    graph : AssetGraph
        All assets and checks.
    text : str, optional
        The user's selection.

    Returns
    -------
    Selection
        What can be materialised of it, with the checks of these assets and always the preflight.

    Raises
    ------
    InputError
        `asset-unknown` (names the nearest), `selection-invalid`, `selection-empty`.
    """
    # those without partitions look at all frames
    of_frames = {key for key in graph.asset_check_keys if graph.get(key).partitions_def is not None}
    if text is None:
        return Selection(frozenset(graph.materializable_asset_keys), frozenset(of_frames))
    import dagster as dg

    names = {key.to_user_string() for key in graph.get_all_asset_keys()}
    try:
        chosen = dg.AssetSelection.from_string(_in_full(text, names), include_sources=True).resolve(graph)
    except dg.DagsterError as error:
        raise _invalid(text) from error
    if not chosen:
        raise _unknown(text, names, "selection-empty", f"no asset is meant by {text!r}")
    checks = {key for key in of_frames if key.asset_key in chosen or key.name == PREFLIGHT}
    return Selection(frozenset(chosen & graph.materializable_asset_keys), frozenset(checks))


def _in_full(text: str, names: set[str]) -> str:
    """Write a selection in Dagster's language, which knows neither bare names nor commas."""
    # all tokens first: a name is not looked up in a text that is no selection at all
    return " ".join(_translated(match, names) for match in list(_tokens(text)))


def _tokens(text: str) -> Iterator[re.Match[str]]:
    position = 0
    while position < len(text.rstrip()):
        position += len(text[position:]) - len(text[position:].lstrip())
        match = _TOKEN.match(text, position)
        if match is None:
            raise _invalid(text)
        yield match
        position = match.end()


def _translated(match: re.Match[str], names: set[str]) -> str:
    part = match.group()
    if match.lastgroup != "name" or part.lower() in _WORDS:
        return "or" if part == "," else part
    name = part.strip('"')
    if name == "*":
        return name
    if "*" not in name and name not in names:
        raise _unknown(name, names, "asset-unknown", f"there is no asset {name!r}")
    return f'key:"{name}"'


def _unknown(wanted: str, names: set[str], code: str, message: str) -> InputError:
    near = get_close_matches(re.sub(r"^[a-z]+:|\W", "", wanted), sorted(names), 3, cutoff=0.5)
    mend = f"did you mean {' or '.join(near)}?" if near else f"the assets are {', '.join(sorted(names))}"
    return InputError(code, message, mend=mend)


def _invalid(text: str) -> InputError:
    return InputError(
        "selection-invalid",
        f"{text!r} is not a selection of assets",
        mend='write e.g. velocity, +velocity, "velocity,geo_velocity", "geo_*" or group:geo',
    )
