"""One block of input records: what every molecule becomes, and what is set aside."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import pyarrow as pa
from rdkit import Chem, rdBase

from screener.chemistry.reading import read_molblock
from screener.chemistry.standardise import StandardiseSettings, standardise, standardise_mol
from screener.errors import MoleculeError
from screener.library.columns import ColumnFacts, column_facts
from screener.library.record_schema import OWN
from screener.records import Molecule, QuarantineRecord
from screener.stores.library import STANDARD_SCHEMA
from screener.stores.quarantine import quarantine_table, shortened

# what a block hands on: where a row is from, then the library's columns without `row`
ORIGIN_SCHEMA = pa.schema(
    [
        ("input_order", pa.int64()),
        ("isomer", pa.int32()),  # 0, 1, ... where stereoisomers are enumerated
        ("source", pa.int32()),
        ("line", pa.int64()),
    ]
)
MOLECULE_SCHEMA = pa.schema([*ORIGIN_SCHEMA, *list(STANDARD_SCHEMA)[1:]])


class Standardised(NamedTuple):
    """What one record became."""

    smiles_input: str
    molecules: list[Molecule]


@dataclass(frozen=True, slots=True)
class OwnColumn:
    """What a block holds of one of the caller's columns.

    Args:
        facts: of the values in the block's molecules.
        first: the first of them that is text and no number, and where it stands.
    """

    facts: ColumnFacts
    first: str | None


@dataclass(frozen=True, slots=True)
class BlockResult:
    """What one block became."""

    molecules: pa.Table  # MOLECULE_SCHEMA, then the caller's columns as in the block
    quarantine: pa.Table
    codes: dict[str, int]
    own: dict[str, OwnColumn]  # by name


def standardise_entry(entry: tuple[bool, str], settings: StandardiseSettings) -> Standardised:
    """Standardise SMILES, or a mol block where the first of the pair is true.

    Raises:
        MoleculeError: see `screener.chemistry.standardise` and `screener.chemistry.reading`.
    """
    is_molblock, text = entry
    if not is_molblock:
        return Standardised(text, standardise(text, settings))
    with rdBase.BlockLogs():
        mol = read_molblock(text)
        return Standardised(Chem.MolToSmiles(mol), standardise_mol(mol, settings))


def entries(records: pa.Table) -> list[tuple[bool, str]]:
    """What is to be standardised: the records that could be read, in order."""
    columns = (records[name].to_pylist() for name in ("molblock", "text", "code"))
    return [(molblock, text) for molblock, text, code in zip(*columns, strict=True) if code is None]


def compose(
    records: pa.Table,
    results: Sequence[Standardised | MoleculeError],
    source_names: Mapping[int, str],
    from_text: bool,
) -> BlockResult:
    """Put together what became of a block's records.

    Args:
        records: the block (see `screener.library.record_schema`).
        results: one for each of `entries(records)`, in order.
        source_names: the inputs by position, for messages.
        from_text: whether the records come from text formats, which say nothing of types.
    Returns:
        The rows of the molecules, and the records that are set aside.
    """
    waiting = iter(results)
    positions: list[int] = []  # for each molecule, the record it came from
    isomers: list[int] = []
    smiles_input: list[str] = []
    molecules: list[Molecule] = []
    quarantine: list[QuarantineRecord] = []
    codes: Counter[str] = Counter()
    columns = ("source", "line", "text", "code", "message", "source_id")
    rows = zip(*(records[name].to_pylist() for name in columns), strict=True)
    for position, (source, line, text, code, message, source_id) in enumerate(rows):
        result = MoleculeError(code, message) if code is not None else next(waiting)
        if isinstance(result, MoleculeError):
            codes[result.code] += 1
            quarantine.append(
                QuarantineRecord(
                    stage="library",
                    code=result.code,
                    message=result.message,
                    source=source_names[source],
                    line=line,
                    raw=shortened(text),
                    source_id=source_id,
                )
            )
            continue
        for isomer, molecule in enumerate(result.molecules):
            positions.append(position)
            isomers.append(isomer)
            smiles_input.append(result.smiles_input)
            molecules.append(molecule)
    kept = records.take(pa.array(positions, pa.int64()))
    made = {
        "input_order": kept["input_order"],
        "isomer": isomers,
        "source": kept["source"],
        "line": kept["line"],
        "mol_id": [molecule.mol_id for molecule in molecules],
        "inchikey": [molecule.inchikey for molecule in molecules],
        "smiles": [molecule.smiles for molecule in molecules],
        "source_id": kept["source_id"],
        "smiles_input": smiles_input,
        "n_heavy": [molecule.n_heavy for molecule in molecules],
        "n_atoms": [molecule.n_atoms for molecule in molecules],
        "charge": [molecule.charge for molecule in molecules],
        "n_undefined_stereo": [molecule.n_undefined_stereo for molecule in molecules],
    }
    table = pa.table(made, schema=MOLECULE_SCHEMA)
    own: dict[str, OwnColumn] = {}
    for name in kept.column_names:
        if name.startswith(OWN):
            table = table.append_column(name, kept[name])
            facts, first = column_facts(kept[name], from_text)
            if first is None:
                own[name] = OwnColumn(facts, None)
            else:
                place, text = first
                source, line = (kept[each][place].as_py() for each in ("source", "line"))
                own[name] = OwnColumn(facts, f"{text!r} in {source_names[source]}:{line}")
    return BlockResult(table, quarantine_table(quarantine), dict(sorted(codes.items())), own)
