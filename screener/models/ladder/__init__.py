"""Ladders: models that correct the values of another model or level, rung by rung."""
