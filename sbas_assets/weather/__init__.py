"""ERA5 files: which ones a frame needs, what is in them, and how they come from the Climate Data Store."""
