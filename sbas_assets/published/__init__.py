"""What other people read: Zarr copies of the products in versions, GeoTIFFs, and the STAC items that name them."""
