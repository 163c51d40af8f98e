"""Layouts on disk: library, structures, predictions, receipts, leases.

Knows no chemistry and no Dask.
"""
