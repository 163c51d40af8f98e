"""Where Dask workers come from: this machine, Slurm, Kubernetes, or a running scheduler.

Nothing here knows what the workers will do.
"""
