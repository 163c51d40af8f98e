"""Ions and radicals among predictions: outside the domain of every model.

A structure holds no charge and no multiplicity, so a bundle takes an ion for a neutral molecule.
Here the molecule is known, and what was predicted of an ion or a radical is taken back.
"""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc
from rdkit import Chem

from screener.chemistry.radicals import unpaired_electrons
from screener.models.uncertainty.domain import electron_reasons
from screener.stores.domain_reasons import joined


def closed_shells_alone(
    predicted: pa.Table, smiles: Sequence[str], charges: Sequence[int]
) -> pa.Table:
    """Predictions with the ions and radicals out of domain.

    Args:
        predicted: (n,) rows of a bundle's predictions.
        smiles: (n,), canonical, of their molecules.
        charges: (n,), elementary charges.
    Returns:
        the same columns; of an ion or radical every predicted value is null, low values stay, and
        `domain_reasons` begins with why.
    """
    electrons = [
        electron_reasons(charge, _unpaired(text))
        for text, charge in zip(smiles, charges, strict=True)
    ]
    if not any(electrons):
        return predicted
    inside = pa.array([not reasons for reasons in electrons])
    texts = [
        joined([*reasons, *filter(None, [others])])
        for reasons, others in zip(electrons, predicted["domain_reasons"].to_pylist(), strict=True)
    ]
    columns = {name: predicted[name] for name in predicted.column_names}
    uncertain = tuple(name.removesuffix("_std") for name in columns if name.endswith("_std"))
    for name in columns:
        if name.startswith(uncertain):  # predicted, or said of what is
            columns[name] = pc.if_else(inside, columns[name], None)
    columns["in_domain"] = pc.and_(columns["in_domain"], inside)
    columns["domain_reasons"] = pa.array(texts, pa.string())
    return pa.table(columns)


def _unpaired(smiles: str) -> int:
    if "[" not in smiles:  # SMILES have no other way to write an open shell, and parsing takes time
        return 0
    return unpaired_electrons(Chem.MolFromSmiles(smiles))
