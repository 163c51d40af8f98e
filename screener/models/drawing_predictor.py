"""From drawings to the table of calibrated predictions, for models that need no geometry."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from rdkit import Chem, rdBase

from screener.chemistry.coordination import drawn_coordinations
from screener.chemistry.radicals import unpaired_electrons
from screener.models.calibration import Calibration, Rows, calibrated_columns, domain_columns
from screener.models.card import DRAWING
from screener.models.registry import evaluator_of
from screener.models.targets import Targets
from screener.models.uncertainty.domain import DomainOfKinds, DrawingDomain, electron_reasons
from screener.registry.elements import number_of

FloatArray = NDArray[np.float64]


class DrawingPredictor:
    """Predicts molecules from their SMILES.

    Args:
        model_type: name of the type of model.
        model: what was fitted.
        targets: what it predicts; nothing is added to low values.
        calibration: by predicted column.
        domain: what is inside.
        device: of torch.
    Raises:
        ConfigError: there is no such type of model.
    """

    def __init__(
        self,
        model_type: str,
        model: Any,
        targets: Targets,
        calibration: Calibration,
        domain: DrawingDomain,
        *,
        device: str = "cpu",
    ) -> None:
        self.model_type = model_type
        self.model = model
        self.targets = targets
        self.calibration = calibration
        self.domain = domain
        self.geometry_level = DRAWING
        self._device = device
        self._evaluator = evaluator_of(model_type, model, device)

    def within(self, domain: DrawingDomain) -> "DrawingPredictor":
        """The same model and calibration with another domain."""
        return DrawingPredictor(
            self.model_type, self.model, self.targets, self.calibration, domain, device=self._device
        )

    def predict(self, smiles: Sequence[str]) -> pa.Table:
        """Predictions, one row per molecule, in order.

        Args:
            smiles: canonical, of any molecules; what RDKit cannot read is outside the domain.
        Returns:
            for each predicted column q: q, q_std, q_lo90 and q_hi90, as of `Predictor.predict`;
            then in_domain, domain_reasons and geometry_level, which is `drawing`.
        """
        with rdBase.BlockLogs():
            molecules = [Chem.MolFromSmiles(each) for each in smiles]
        reasons = [
            drawing_reasons(self.domain, molecule, is_plain="[" not in text)
            for molecule, text in zip(molecules, smiles, strict=True)
        ]
        inside = np.array([row for row, why in enumerate(reasons) if not why], dtype=np.int64)
        known = [molecules[row] for row in inside.tolist()]
        raw = self._evaluator.predict(known)
        for row, distance in zip(inside.tolist(), raw.distances.tolist(), strict=True):
            reasons[row] = self.domain.distance_reasons(distance)
        rows = Rows(
            evaluated=inside,
            in_domain=np.array([not why for why in reasons], dtype=bool),
            n_heavy=np.array([each.GetNumHeavyAtoms() for each in known], dtype=np.int64),
            largest_fitted=self.domain.largest_fitted,
        )
        table = calibrated_columns(self.targets, self.calibration, raw, {}, rows, reasons)
        answers = [table[each.name] for each in self.targets.all]
        return pa.table(table | domain_columns(rows.in_domain, reasons, DRAWING, answers))


def drawing_reasons(
    domain: DomainOfKinds, molecule: Chem.Mol | None, *, is_plain: bool = False
) -> list[str]:
    """Why a drawing is outside, but for its distance; empty where it is inside.

    Args:
        domain: of the model.
        molecule: as RDKit reads it from SMILES; None where it cannot.
        is_plain: whether the SMILES has no brackets: without them there are no ions and no
            radicals, and looking for these takes time.
    Returns:
        one sentence for each reason.
    """
    if molecule is None or molecule.GetNumAtoms() == 0:
        return ["RDKit cannot read the SMILES"]
    if not is_plain:
        charge, n_unpaired = Chem.GetFormalCharge(molecule), unpaired_electrons(molecule)
        if reasons := electron_reasons(charge, n_unpaired):
            return reasons
    kinds = drawn_coordinations(molecule)
    elements = {number_of(kind.partition(":")[0]) for kind in kinds}
    n_heavy = molecule.GetNumHeavyAtoms()
    return domain.composition_reasons(elements, n_heavy) or domain.coordination_reasons(kinds)
