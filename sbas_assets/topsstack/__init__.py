"""Reading an ISCE2 topsStack folder without ISCE2: products, orbits, baselines, rasters, preflight.

Nothing of Dagster here, and nothing that changes a file of the stack.
"""
