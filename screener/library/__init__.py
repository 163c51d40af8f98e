"""From input files to a library: pure functions of a block, no Dask."""
