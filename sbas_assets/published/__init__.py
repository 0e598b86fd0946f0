"""Zarr copies of the products, their pointers, and pictures."""
