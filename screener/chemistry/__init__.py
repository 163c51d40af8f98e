"""One molecule: standardisation, identity and structures; no files, no Dask."""
