"""Gaussian processes on counts of Morgan fragments: models that read drawings alone."""
