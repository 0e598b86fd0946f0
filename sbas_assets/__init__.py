"""Sentinel-1 SBAS-InSAR as Dagster assets.

An ISCE2 topsStack folder goes in; MintPy's products come out as software-defined assets, one partition per
frame, with Zarr copies in an object store.

`open_frame` opens what was published of a frame.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sbas_assets.published.reading import open_frame

__all__ = ["__version__", "open_frame"]

__version__ = version("sbas-assets")


def __getattr__(name: str) -> object:
    # xarray and Zarr take most of a second to import, which a command that opens nothing need not wait for
    if name != "open_frame":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from sbas_assets.published.reading import open_frame

    return open_frame


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
