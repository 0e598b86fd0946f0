"""Small pictures of products for the UI; knows nothing of products, frames or Dagster."""
