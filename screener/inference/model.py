"""From SMILES or structures to predictions, in this process, for a handful of molecules.

The same chemistry and the same bundle as in a campaign, without stores, Dask and the time limit per
molecule. A model that reads drawings predicts from the standardised SMILES, and no structure is
made. Nothing is dropped: a molecule that fails has a row that says why.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import cast

import pandas as pd
import pyarrow as pa

from screener.chemistry.standardise import StandardiseSettings, standardise
from screener.chemistry.structures import StructureSettings, make_structure
from screener.errors import ConfigError, MoleculeError
from screener.inference.open_shells import closed_shells_alone
from screener.models.bundle import Bundle, load_bundle
from screener.models.card import Card
from screener.ranking.columns import with_computed
from screener.records import Molecule, Structure


class Model:
    """A trained model that predicts from SMILES or, unless it reads drawings, from structures.

    Args:
        bundle: name of a shipped bundle or path of a folder.
    Raises:
        ConfigError: no such bundle.
        SchemaError: a bundle of another schema version, or one that does not give its golden
            predictions here.
    """

    def __init__(self, bundle: str) -> None:
        self._bundle: Bundle = load_bundle(bundle)

    @property
    def card(self) -> Card:
        """What the model was fitted on and how well it does."""
        return self._bundle.card

    @cached_property
    def geometry(self) -> StructureSettings:
        """How structures are made for this model.

        Raises:
            ConfigError: the model reads drawings.
        """
        if self.card.reads == "drawings":
            raise ConfigError(f"bundle {self.card.name} reads drawings: it has no geometry")
        return StructureSettings.at(
            self.card.geometry_level, self.card.n_conformers, self.card.needed_values
        )

    def predict(
        self,
        molecules: str | Sequence[str] | Sequence[Structure],
        settings: StandardiseSettings | None = None,
    ) -> pd.DataFrame:
        """Predict; one row per molecule, in the order given.

        Args:
            molecules: SMILES, or structures at the model's own geometry level, which are taken for
                neutral closed-shell molecules. A model that reads drawings takes SMILES only.
            settings: how SMILES are standardised; the defaults are those of a library.
        Returns:
            From SMILES: `smiles_input`, `smiles` (canonical), `mol_id`, `inchikey`, `n_heavy`,
            `n_atoms`. Then per quantity its value in the unit that its name ends in, with `_std`,
            `_lo90`, `_hi90` (NaN outside the domain), then `in_domain`, `domain_reasons` and
            `geometry_level` (`drawing` of a model that reads drawings). Last `code` and `message`:
            why a molecule could not be predicted, empty where it could.
        Raises:
            ConfigError: structures and SMILES are mixed, structures lack what the model needs, or
                structures are given to a model that reads drawings.
        """
        given = [molecules] if isinstance(molecules, str) else list(molecules)
        n_smiles = sum(isinstance(each, str) for each in given)
        if n_smiles not in (0, len(given)):
            raise ConfigError("give either SMILES or structures, not both in one call")
        if n_smiles:
            return self._from_smiles(
                [str(each) for each in given], settings or StandardiseSettings()
            )
        structures = [each for each in given if isinstance(each, Structure)]
        if len(structures) != len(given):
            raise ConfigError("molecules are given as SMILES or as screener.records.Structure")
        sizes = pa.table({"n_atoms": pa.array([each.n_atoms for each in structures], pa.int64())})
        predicted = self._bundle.predict(structures)
        return _frame(_with_sizes(predicted, sizes), [None] * len(structures))

    def _from_smiles(self, smiles: list[str], settings: StandardiseSettings) -> pd.DataFrame:
        known: list[Molecule | None] = []
        inputs: list[Structure | str | MoleculeError] = []
        for text in smiles:
            molecule: Molecule | None = None
            try:
                molecule = standardise(text, settings)[0]
                inputs.append(self._input_of(molecule))
            except MoleculeError as error:
                inputs.append(error)
            known.append(molecule)
        is_kept = [not isinstance(each, MoleculeError) for each in inputs]
        kept = [m for m, is_one in zip(known, is_kept, strict=True) if m and is_one]
        sizes = pa.table({"n_atoms": pa.array([each.n_atoms for each in kept], pa.int64())})
        predicted = self._predicted(
            kept, [each for each in inputs if not isinstance(each, MoleculeError)]
        )
        names = ("smiles", "mol_id", "inchikey", "n_heavy", "n_atoms")
        table = pa.table(
            {
                "smiles_input": pa.array(smiles, pa.string()),
                **{name: pa.array([getattr(m, name, None) for m in known]) for name in names},
            }
        )
        places = iter(range(len(kept)))
        rows = pa.array([next(places) if is_one else None for is_one in is_kept], pa.int64())
        columns = _with_sizes(predicted, sizes).take(rows)
        for name in columns.column_names:
            if name not in names:
                table = table.append_column(name, columns[name])
        return _frame(table, [each if isinstance(each, MoleculeError) else None for each in inputs])

    def _input_of(self, molecule: Molecule) -> Structure | str:
        """What the bundle reads of a molecule: its SMILES where it reads drawings, or a structure.

        Raises:
            MoleculeError: the structure cannot be made.
        """
        if self.card.reads == "drawings":
            return molecule.smiles
        return make_structure(molecule.smiles, molecule.mol_id, self.geometry)

    def _predicted(self, kept: list[Molecule], inputs: list[Structure | str]) -> pa.Table:
        if self.card.reads == "drawings":  # which show ions and radicals to the bundle itself
            return self._bundle.predict(cast(list[str], inputs))
        return closed_shells_alone(
            self._bundle.predict(cast(list[Structure], inputs)),
            [each.smiles for each in kept],
            [each.charge for each in kept],
        )

    def __repr__(self) -> str:
        return f"Model({self.card.name!r}, geometry level {self.card.geometry_level})"


def _with_sizes(predicted: pa.Table, sizes: pa.Table) -> pa.Table:
    """Sizes and predictions of the same structures, and what is computed from both."""
    for name in predicted.column_names:
        sizes = sizes.append_column(name, predicted[name])
    return with_computed(sizes)


def _frame(table: pa.Table, errors: Sequence[MoleculeError | None]) -> pd.DataFrame:
    frame: pd.DataFrame = table.to_pandas()
    frame["in_domain"] = [value is True for value in table["in_domain"].to_pylist()]
    frame["domain_reasons"] = frame["domain_reasons"].fillna("")
    frame["code"] = ["" if error is None else error.code for error in errors]
    frame["message"] = ["" if error is None else error.message for error in errors]
    return frame
