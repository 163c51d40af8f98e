"""Fitting and calibrating models: labelled molecules in, models with their errors out."""
