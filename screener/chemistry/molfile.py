"""What RDKit passes over when it reads a mol block, V2000 or V3000.

Property lines and blocks of which RDKit keeps nothing, or which it drops with a warning, can turn a
query or a polymer into a molecule. They are looked for in the text. What RDKit does keep is looked
at by `screener.chemistry.drawings`.
"""

import re
from collections.abc import Iterator

from rdkit import Chem

from screener.chemistry.drawings import require_group_type
from screener.errors import MoleculeError

# V2000 property lines `M  XXX` that a molecule may have: charges, radicals, isotopes, details of
# S-groups (whose types are checked), three-dimensional features, registry numbers, and what RDKit
# keeps and others refuse (queries, lists, R-groups, bonds of order zero)
_KNOWN = """
CHG RAD ISO STY SST SLB SCN SDS SAL SBL SPA SMT CRS SDI SBV SDT SDD SCD SED SPL SNC SAP SCL
SBT SPX $3D REG ALS APO RGP SUB UNS RBC ZBO ZCH MRV
""".split()  # noqa: SIM905  # as a list it is a page long
_REFUSED = {
    "LIN": ("repeat_unit", "atoms that are repeated (link nodes): draw all of them"),
    "LOG": ("placeholder", "rules for R-groups: draw the groups"),
    "AAL": ("placeholder", "an order of attachments to an R-group: draw the group"),
}
_DOUBLET = "  4"  # in the column of charges
_MAX_RADICALS = 8  # on one line
_V3000 = "M  V30 "
_V3000_GROUP = re.compile(r"\d+\s+(\w+)")
_V3000_BLOCKS = {
    "RGROUP": ("placeholder", "definitions of R-groups: draw the groups"),
    "TEMPLATE": ("abbreviation", "templates, as of a sequence: draw all atoms"),
}


def with_radicals(block: str) -> str:
    """The block, in which radicals of the old column of charges have a line of their own.

    RDKit passes over them, which would make a molecule with one hydrogen more.
    """
    lines = block.split("\n")
    n_atoms, n_bonds = _counts(lines)
    if any(line.startswith(("M  CHG", "M  RAD")) for line in lines[4 + n_atoms + n_bonds :]):
        return block  # these lines replace the column
    atoms = lines[4 : 4 + n_atoms]
    radicals = [k for k, line in enumerate(atoms, start=1) if line[36:39] == _DOUBLET]
    if not radicals:
        return block
    made = [
        f"M  RAD{len(part):3d}" + "".join(f"{number:4d}   2" for number in part)
        for part in (
            radicals[start : start + _MAX_RADICALS]
            for start in range(0, len(radicals), _MAX_RADICALS)
        )
    ]
    place = 4 + n_atoms + n_bonds
    return "\n".join([*lines[:place], *made, *lines[place:]])


def require_known(block: str) -> None:
    """Refuse what makes something else than one molecule, and what is unknown.

    Args:
        block: lines are separated by line feeds.
    Raises:
        MoleculeError: `repeat_unit`, `mixture`, `placeholder`, `abbreviation`, `query`,
            `invalid_molblock`.
    """
    lines = block.split("\n")
    if is_v3000(block):
        _require_v3000(lines)
    else:
        _require_v2000(lines)


def is_v3000(block: str) -> bool:
    """Whether the counts line names version V3000."""
    lines = block.split("\n", 4)
    return len(lines) > 3 and lines[3][33:39].strip() == "V3000"


def unknown_symbol(block: str) -> MoleculeError | None:
    """The first atom of a block that is no element, if that is why RDKit cannot read it."""
    lines = block.split("\n")
    if is_v3000(block):
        atoms = [fields[1] for fields in _v3000_atoms(lines)]
    else:
        atoms = [line[31:34].strip() for line in lines[4 : 4 + _counts(lines)[0]]]
    for number, symbol in enumerate(atoms, start=1):
        if symbol and not _is_element(symbol):
            return MoleculeError(
                "abbreviation",
                f"atom {number} is drawn as {symbol[:40]!r}, which is no element: draw the atoms "
                "that are meant",
            )
    return None


def _is_element(symbol: str) -> bool:
    try:
        return bool(Chem.GetPeriodicTable().GetAtomicNumber(symbol) > 0)
    except RuntimeError:
        return False


def _counts(lines: list[str]) -> tuple[int, int]:
    """Atoms and bonds by the counts line of V2000; none where it cannot be read."""
    if len(lines) < 4:
        return 0, 0
    try:
        return int(lines[3][0:3]), int(lines[3][3:6])
    except ValueError:
        return 0, 0


def _require_v2000(lines: list[str]) -> None:
    n_atoms, n_bonds = _counts(lines)
    rest = iter(lines[4 + n_atoms + n_bonds :])
    for line in rest:
        if line.startswith(("A  ", "G  ")):
            next(rest, None)  # the text of an alias, which RDKit keeps, or of a contracted group
        elif line.startswith("S  SKP"):
            for _ in range(int(line[6:9]) if line[6:9].strip().isdecimal() else 0):
                next(rest, None)
        elif line.startswith("M  END"):
            return
        elif line.startswith("M  "):
            _require_property(line)


def _require_property(line: str) -> None:
    tag = line[3:6]
    if tag in _REFUSED:
        code, what = _REFUSED[tag]
        raise MoleculeError(code, f"its mol block has {what}")
    if tag == "STY":
        for kind in line[9:].split()[1::2]:
            require_group_type(kind)
    elif tag not in _KNOWN:
        raise MoleculeError(
            "invalid_molblock",
            f"the line {line[:40]!r} is unknown: take it away if it does not change the molecule",
        )


def _v3000(lines: list[str]) -> Iterator[tuple[str, str]]:
    """The statements of a block, each with the innermost part that it stands in."""
    parts: list[str] = []
    begun = ""
    for line in lines:
        if not line.startswith(_V3000):
            continue
        text = begun + line[len(_V3000) :]
        if text.rstrip().endswith("-"):  # goes on on the next line
            begun = text.rstrip()[:-1]
            continue
        begun, text = "", text.strip()
        if text.startswith("BEGIN "):
            parts.append(text.split()[1])
            yield parts[-1], text
        elif text.startswith("END "):
            parts = parts[:-1]
        else:
            yield parts[-1] if parts else "", text


def _v3000_atoms(lines: list[str]) -> list[list[str]]:
    texts = [text.split() for part, text in _v3000(lines) if part == "ATOM"]
    return [fields for fields in texts if len(fields) > 1 and fields[0] != "BEGIN"]


def _require_v3000(lines: list[str]) -> None:
    for part, text in _v3000(lines):
        if part in _V3000_BLOCKS:
            code, what = _V3000_BLOCKS[part]
            raise MoleculeError(code, f"its mol block has {what}")
        if part == "SGROUP":
            if match := _V3000_GROUP.match(text):
                require_group_type(match[1])
        elif text.startswith("LINKNODE"):
            raise MoleculeError(
                "repeat_unit", "its mol block has atoms that are repeated (link nodes): draw all"
            )
        elif part == "BOND" and "ENDPTS=" in text:
            raise MoleculeError(
                "query",
                f"bond {text.split()[0]} ends at several atoms at once: draw it at the one that "
                "is meant",
            )
