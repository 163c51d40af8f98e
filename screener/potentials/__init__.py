"""Neural potentials: energies, forces and charges of many molecules at once, and minima by them."""
