"""How work is carried out: a bounded window of Dask tasks, chemistry in processes that may die."""
