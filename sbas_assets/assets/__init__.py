"""The Dagster assets, one module per group, thin: resolve, call one domain function, return metadata."""
