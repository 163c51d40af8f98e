"""How far a prediction can be trusted: conformal intervals and the domain of a model."""
