"""Molecules drawn as SVG that follows the page: its colours are CSS variables, light or dark."""

from functools import lru_cache
from typing import Any
from xml.etree import ElementTree

from rdkit import Chem, rdBase
from rdkit.Chem import rdDepictor
from rdkit.Chem.Draw import rdMolDraw2D

_SVG = "{http://www.w3.org/2000/svg}"
# RDKit's colours of the elements -> variables of the style sheet
_VARIABLES = {
    "#000000": "var(--atom)",
    "#FF0000": "var(--atom-o)",
    "#0000FF": "var(--atom-n)",
    "#33CCCC": "var(--atom-f)",
    "#CCCC00": "var(--atom-s)",
    "#FF7F00": "var(--atom-p)",
    "#00CC00": "var(--atom-cl)",
    "#7F4C19": "var(--atom-br)",
}
_STYLES = ("fill", "stroke", "stroke-width")


@lru_cache(maxsize=256)
def draw(smiles: str, width: int = 220, height: int = 150) -> str:
    """A drawing as an SVG element to be put into HTML.

    Args:
        smiles: any SMILES.
        width, height: of the view box; the page decides how large it appears.
    Returns:
        the element, holding nothing but shapes; empty where the SMILES cannot be read.
    """
    with rdBase.BlockLogs():  # an unreadable SMILES is shown as text
        molecule = Chem.MolFromSmiles(smiles)
    if molecule is None:
        return ""
    rdDepictor.Compute2DCoords(molecule)
    rdDepictor.StraightenDepiction(molecule)
    drawer = rdMolDraw2D.MolDraw2DSVG(width, height)
    options: Any = drawer.drawOptions()
    options.clearBackground = False
    options.fixedBondLength = 28  # small molecules are not blown up
    options.bondLineWidth = 1.5
    options.padding = 0.06
    rdMolDraw2D.PrepareAndDrawMolecule(drawer, molecule)
    drawer.FinishDrawing()
    shapes = [_shape(element) for element in ElementTree.fromstring(drawer.GetDrawingText())]
    return f'<svg viewBox="0 0 {width} {height}" aria-hidden="true">{"".join(shapes)}</svg>'


def _shape(element: ElementTree.Element) -> str:
    """One shape with its geometry, and of its style only what differs from the style sheet."""
    style = dict(part.split(":", 1) for part in element.get("style", "").split(";") if ":" in part)
    style |= {key: value for key, value in element.attrib.items() if key in _STYLES}
    kept = ";".join(
        f"{key}:{_VARIABLES.get(style[key], style[key])}" for key in _STYLES if key in style
    )
    geometry = {
        key: " ".join(value.split())
        for key, value in element.attrib.items()
        if key not in ("style", "class", *_STYLES)
    }
    shape = ElementTree.Element(element.tag.removeprefix(_SVG), {**geometry, "style": kept})
    return ElementTree.tostring(shape, encoding="unicode")
