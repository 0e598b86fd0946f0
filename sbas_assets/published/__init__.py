"""Zarr copies of the products, and their pointers."""
