"""Sentinel-1 SBAS-InSAR as Dagster assets.

An ISCE2 topsStack folder goes in; MintPy's products come out as software-defined assets, one partition per
frame, with Zarr copies in an object store.
"""

from importlib.metadata import version

__version__ = version("sbas-assets")
