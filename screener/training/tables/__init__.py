"""Training on any Parquet file: its columns, conventions, checks, parts and models."""
