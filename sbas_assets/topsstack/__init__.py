"""Reading an ISCE2 topsStack folder without ISCE2: products, orbits, baselines, rasters, preflight. No Dagster here."""
