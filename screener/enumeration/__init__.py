"""Candidate molecules made from scaffolds, reactions and mutations, inside given limits.

A specification is a TOML file (`spec`). It is turned into a space of templates (`space`). Draws
from the templates, in a shuffled order, give the molecules (`stream`), which are written to a file
that `screener library build` reads (`output`). Nothing here knows about models or Dask.
"""
