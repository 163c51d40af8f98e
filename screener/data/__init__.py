"""Data that ships with the package, each beside the script that made it."""
