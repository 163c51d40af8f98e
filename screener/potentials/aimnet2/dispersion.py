"""Grimme's D3 dispersion with Becke-Johnson damping, as AIMNet2 was trained beside it.

References:
    Grimme, Antony, Ehrlich, Krieg, J. Chem. Phys. 132, 154104 (2010); damping: Grimme, Ehrlich,
    Goerigk, J. Comput. Chem. 32, 1456 (2011); parameters for wB97M: Najibi, Goerigk, J. Chem.
    Theory Comput. 14, 5725 (2018).
"""

import torch

from screener.potentials.aimnet2.weights import Weights
from screener.units import ANGSTROM_PER_BOHR, EV_PER_HARTREE

S6, S8, A1, A2 = 1.0, 0.3908, 0.566, 3.128  # A2 in bohr
K1, K3 = -16.0, -4.0
FEWEST = 1e-5  # weights of references, below which an atom is none of them


class Dispersion:
    """D3(BJ) energies of molecules of one size.

    Args:
        weights: of AIMNet2.
        device: of torch.
    """

    def __init__(self, weights: Weights, device: str) -> None:
        def on_device(name: str) -> torch.Tensor:
            return torch.from_numpy(weights[name]).to(device)

        n_elements, n_references = weights["references"].shape
        self._references = on_device("references")
        self._is_element = torch.eye(n_elements, device=device)
        n = n_elements * n_references
        self._c6 = on_device("c6").transpose(1, 2).reshape(1, n, n)
        self._r4r2 = on_device("r4r2")
        self._radii = on_device("covalent_radii")
        self._limits = on_device("coordination_limits")

    def __call__(self, elements: torch.Tensor, distances: torch.Tensor) -> torch.Tensor:
        """Energies.

        Args:
            elements: int64 (n, n_atoms), places in the list of elements.
            distances: (n, n_atoms, n_atoms), angstrom; anything but zero on the diagonal.
        Returns:
            of each atom half of its pairs, float64 (n, n_atoms), eV.
        """
        n_atoms = elements.shape[1]
        itself = torch.eye(n_atoms, dtype=torch.bool, device=elements.device)
        d = (distances / ANGSTROM_PER_BOHR).masked_fill(itself, 10.0)
        radii = self._radii[elements]
        ratio = (radii[:, :, None] + radii[:, None, :]) / d
        counted = torch.sigmoid(-K1 * (ratio - 1.0)).masked_fill(itself, 0.0)
        coordination = torch.minimum(counted.sum(dim=-1), self._limits[elements])

        off = coordination[:, :, None] - self._references[elements]
        alike = torch.exp(K3 * off.square())  # to each reference of the element
        placed = (self._is_element[elements][..., None] * alike[:, :, None]).flatten(2)
        c6 = torch.bmm(torch.bmm(placed, self._c6.expand(len(placed), -1, -1)), placed.mT)
        total = alike.sum(dim=2)
        total = total[:, :, None] * total[:, None, :]
        c6 = torch.where(total < FEWEST, 0.0, c6 / total.clamp_min(FEWEST)).masked_fill(itself, 0.0)

        r4r2 = self._r4r2[elements]
        c8_by_c6 = 3.0 * r4r2[:, :, None] * r4r2[:, None, :]
        damping = A1 * c8_by_c6.sqrt() + A2
        d2, damping2 = d.square(), damping.square()
        d6, damping6 = d2 * d2 * d2, damping2 * damping2 * damping2
        pairs = S6 / (d6 + damping6) + S8 * c8_by_c6 / (d6 * d2 + damping6 * damping2)
        return -0.5 * EV_PER_HARTREE * (c6 * pairs).double().sum(dim=2)
