"""A weather service for the tests: ERA5-like fields, and a server that speaks the API of the Climate Data Store."""
