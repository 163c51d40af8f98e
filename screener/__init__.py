"""High-throughput screening of molecules for batteries with delta models on a Dask cluster."""
