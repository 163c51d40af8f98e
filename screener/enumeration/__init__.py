"""Candidates out of scaffolds, reactions and mutations: a stream of molecules inside given limits.

A specification (`spec`, TOML) becomes a space of templates (`space`), whose draws are made into
molecules in a shuffled order (`stream`) and written to a file that a library is built from
(`output`). Nothing here knows models or Dask.
"""
