"""Campaigns: configuration, plan, run, status, ranking, and the plan of the library build."""
