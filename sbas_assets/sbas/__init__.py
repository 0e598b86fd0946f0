"""Block-wise SBAS numerics. No Dagster here."""
