"""HOMO, LUMO, gap and dipole moment of ten elements, at the minima of AIMNet2."""
