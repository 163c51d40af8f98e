"""How work is carried out: a bounded window of Dask tasks, and chemistry in child processes.

Nothing here knows what a task computes.
"""
