"""Building a library on a Dask cluster: which passes there are, and what a task of each does."""
