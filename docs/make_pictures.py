"""Draws the pictures of docs/design.md: the rooms of the package, and the way of one molecule.

    python docs/make_pictures.py            write docs/rooms.svg and docs/molecule.svg
    python docs/make_pictures.py --check    exit code 1 if they differ from what would be written

The rooms and their layers are read from the import contract in pyproject.toml, and which room
imports which from the source (grimp), so that the picture shows what is there. A room of the
contract that has no purpose in `PURPOSES`, or a step in `STEPS` whose room does not exist, is an
error.
"""

import sys
import textwrap
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from xml.sax.saxutils import escape

import grimp

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "screener"
BASE = (
    "errors",
    "records",
    "units",
    "waiting",
)  # imported by nearly all rooms; not listed in the boxes

PURPOSES = {
    "cli": "the command line: reads options, prints results",
    "api": "the same calls from Python",
    "report": "HTML report, drawings, plots",
    "campaign": "settings, plan, run and results of a screening run",
    "training": "labels, splits, fitting, calibration, evaluation",
    "library_build": "the passes of a library build as tasks",
    "inference": "from molecules to tables of predictions",
    "structures": "makes structures of many molecules, and finds those made before",
    "execution": "bounded window of Dask tasks, child processes",
    "cluster": "where workers come from",
    "funnel": "surrogate, choice of batches, audit, recall",
    "library": "readers of inputs, blocks, deduplication",
    "models": "families of models, domain, calibration, bundles",
    "ranking": "objectives, constraints, scores, top-k, Pareto",
    "enumeration": "makes candidate molecules",
    "potentials": "AIMNet2: energies and minima, many molecules at once",
    "chemistry": "one molecule: standardise, identify, embed, GFN2-xTB",
    "stores": "everything on disk: layouts, receipts, leases",
    "registry": "levels, quantities, model types and goals; plug-ins",
    "records": "the objects that rooms hand to one another",
    "units": "conversions and free-atom energies",
    "waiting": "tells a person what is waited for",
    "dense": "layers of networks by the faster matrix library",
    "errors": "errors that callers can catch",
    "testing": "checks to run on levels, quantities, goals and models of your own",
}

STYLE = """
text { fill: #1b2733; font-family: Helvetica, Arial, sans-serif }
.page { fill: #ffffff } .small { fill: #44525f }
.box { fill: #eef3f8; stroke: #4a6785 } .out { fill: #f9ecec; stroke: #a05252 }
.arrow { stroke: #4a6785; fill: none } .head { fill: #4a6785 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .page { fill: #14191f } .small { fill: #b4c0cc }
  .box { fill: #1f2b38; stroke: #7f9fc0 } .out { fill: #331f1f; stroke: #cc8080 }
  .arrow { stroke: #7f9fc0 } .head { fill: #7f9fc0 }
}
"""


def main() -> int:
    """Write the pictures, or compare them with `--check`."""
    pictures = {"rooms.svg": rooms(), "molecule.svg": molecule()}
    stale = []
    for name, text in pictures.items():
        path = ROOT / "docs" / name
        if "--check" not in sys.argv[1:]:
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
    for name in stale:
        sys.stderr.write(f"docs/{name} is not up to date; run python docs/make_pictures.py\n")
    return int(bool(stale))


def layers() -> list[list[str]]:
    """The rooms of each layer, from the top down, as the import contract has them."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        contracts = tomllib.load(file)["tool"]["importlinter"]["contracts"]
    whole = next(each for each in contracts if f"{PACKAGE}.errors" in each["layers"])
    return [
        [room.strip().removeprefix(f"{PACKAGE}.") for room in layer.replace(":", "|").split("|")]
        for layer in whole["layers"]
    ]


def imports() -> dict[str, set[str]]:
    """Which rooms each room imports, from the source."""
    graph = grimp.build_graph(PACKAGE, cache_dir=None)
    edges: dict[str, set[str]] = {}
    for module in graph.modules:
        for other in graph.find_modules_directly_imported_by(module):
            one, two = (f"{each}.".split(".")[1] for each in (module, other))
            if one and two and one != two:
                edges.setdefault(one, set()).add(two)
    return edges


@dataclass(frozen=True)
class Box:
    """A box with a title and lines of text.

    Args:
        left, top, width, height: in pixels.
        title: bold first line.
        lines: further lines.
        kind: class of the style sheet: `box` or `out`.
    """

    left: float
    top: float
    width: float
    height: float
    title: str
    lines: tuple[str, ...] = ()
    kind: str = "box"

    def svg(self) -> str:
        """The box as SVG."""
        middle = self.left + self.width / 2
        texts = [text(middle, self.top + 19, self.title, size=14, bold=True)]
        for number, line in enumerate(self.lines):
            texts.append(text(middle, self.top + 37 + 15 * number, line, size=12, kind="small"))
        frame = (
            f'<rect class="{self.kind}" x="{self.left:g}" y="{self.top:g}" width="{self.width:g}" '
            f'height="{self.height:g}" rx="6"/>'
        )
        return "\n".join([frame, *texts])


def text(x: float, y: float, content: str, *, size: int, bold: bool = False, kind: str = "") -> str:
    """A centred line of text as SVG.

    Args:
        x, y: middle of its base line, pixels.
        content: the text.
        size: font size, pixels.
        bold: whether it is bold.
        kind: class of the style sheet; empty for the usual colour.
    Returns:
        one element.
    """
    weight = ' font-weight="bold"' if bold else ""
    style = f' class="{kind}"' if kind else ""
    return (
        f'<text{style} x="{x:g}" y="{y:g}" font-size="{size}" text-anchor="middle"{weight}>'
        f"{escape(content)}</text>"
    )


def arrow(points: Sequence[tuple[float, float]]) -> str:
    """A line through points with a head at the last one."""
    path = " ".join(f"{x:g},{y:g}" for x, y in points)
    return f'<polyline class="arrow" points="{path}" stroke-width="1.5" marker-end="url(#head)"/>'


def document(width: int, height: int, title: str, description: str, elements: Iterable[str]) -> str:
    """A whole SVG file.

    Args:
        width, height: pixels.
        title, description: what a screen reader reads.
        elements: the content.
    Returns:
        the text of the file.
    """
    head = (
        '<marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" '
        'orient="auto"><path class="head" d="M0,0 L10,5 L0,10 z"/></marker>'
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'width="{width}" height="{height}" role="img">',
            f"<title>{escape(title)}</title>",
            f"<desc>{escape(description)}</desc>",
            f"<style>{STYLE}</style>",
            f"<defs>{head}</defs>",
            f'<rect class="page" width="{width}" height="{height}"/>',
            *elements,
            "</svg>\n",
        ]
    )


def rooms() -> str:
    """The rooms, layer above layer, each with the rooms that it imports."""
    known, rows = imports(), layers()
    order = [room for row in rows for room in row]
    if unknown := set(order) - set(PURPOSES):
        raise SystemExit(f"PURPOSES: say what {', '.join(sorted(unknown))} is for")
    left, right, gap, top = 70.0, 990.0, 10.0, 44.0
    elements = [text(530, 26, "A room imports only rooms below it", size=16, bold=True)]
    sentences = []
    for row in rows:
        width = (right - left - gap * (len(row) - 1)) / len(row)
        n_characters = int(width / 6.3)
        contents = []
        for room in row:
            used = [each for each in order if each in known.get(room, ()) and each not in BASE]
            sentences.append(f"{room} imports {', '.join(used) or 'nothing but the base'}.")
            lines = textwrap.wrap(PURPOSES[room], n_characters)
            if used:
                lines += textwrap.wrap("→ " + ", ".join(used), n_characters)
            contents.append(tuple(lines))
        height = 31 + 15 * max(map(len, contents))
        for number, (room, lines) in enumerate(zip(row, contents, strict=True)):
            elements.append(
                Box(left + number * (width + gap), top, width, height, room, lines).svg()
            )
        top += height + 12
    elements.append(arrow([(35, 60), (35, top - 20)]))
    note = (
        f"→ lists the rooms that a room imports; {', '.join(BASE)} are left out, as nearly all do"
    )
    elements.append(text(530, top + 10, note, size=12, kind="small"))
    return document(
        1020,
        int(top + 28),
        "The rooms of screener and their layers",
        f"Layers from the top down: {'; '.join(', '.join(row) for row in rows)}. "
        + " ".join(sentences),
        elements,
    )


# what happens to a molecule, from above: title, room that does it, lines, where it may leave
STEPS: tuple[tuple[str, str, tuple[str, ...], str], ...] = (
    (
        "read and standardise",
        "library_build",
        ("a record of SMILES, CSV, SDF or Parquet becomes", "a canonical SMILES with a mol_id"),
        "quarantined, with the reason",
    ),
    (
        "deduplicate",
        "library_build",
        ("of equal molecules the first one is kept,", "and gets a row in a shard of the library"),
        "duplicates",
    ),
    (
        "decide by the drawing (stage 2d)",
        "campaign",
        ("only with a budget: constraints, elements, size", "and bonding; features are kept"),
        "filtered, out of domain or quarantined",
    ),
    (
        "choose what is evaluated",
        "funnel",
        (
            "only with a budget: a surrogate, fitted to the results",
            "so far, chooses the next batch",
        ),
        "not selected",
    ),
    (
        "make a structure",
        "structures",
        ("in a child process: mmff94, a force-field conformer;", "kept beside the library"),
        "quarantined: failed, crashed, timed out",
    ),
    (
        "predict and decide on the row",
        "inference",
        (
            "the bundle of the stage: values, 90 % intervals, domain;",
            "then constraints and a score",
        ),
        "out of domain, or filtered",
    ),
    (
        "choose finalists",
        "campaign",
        (
            "the best of the stage enter the next one,",
            "where both steps above are repeated at gfn2-opt",
        ),
        "not selected",
    ),
    (
        "rank the last stage",
        "ranking",
        ("objectives, constraints, bounds or Pareto fronts,", "diversity of the shortlist"),
        "filtered, or not selected",
    ),
    (
        "write the shortlist",
        "campaign, report",
        ("shortlist as CSV, Parquet and SDF,", "report.html"),
        "",
    ),
)


def molecule() -> str:
    """The way of one molecule from an input file to the shortlist, and where it may end."""
    known = {room for row in layers() for room in row}
    elements = [text(430, 26, "The way of one molecule", size=16, bold=True)]
    left, width, height, step = 150.0, 400.0, 62.0, 84.0
    tops = [44 + step * number for number in range(len(STEPS))]
    middle = left + width / 2
    for (title, room, lines, end), top in zip(STEPS, tops, strict=True):
        if unknown := set(room.split(", ")) - known:
            raise SystemExit(f"STEPS: there is no room {', '.join(unknown)}")
        elements.append(Box(left, top, width, height, title, lines).svg())
        elements.append(text(left / 2, top + 36, room, size=13, kind="small"))
        if end:
            lines = tuple(textwrap.wrap(end, 32))
            shift = 15 * (2 - len(lines)) / 2
            box = Box(left + width + 60, top + 8, 240, 46, "", kind="out")
            elements.append(box.svg())
            for number, line in enumerate(lines):
                y = top + 28 + shift + 15 * number
                elements.append(text(left + width + 180, y, line, size=12))
            elements.append(arrow([(left + width, top + 31), (left + width + 60, top + 31)]))
    for above, below in pairwise(tops):
        elements.append(arrow([(middle, above + height), (middle, below)]))
    search, predict = tops[3], tops[5]
    elements.append(  # results teach the surrogate
        arrow(
            [
                (left, predict + 48),
                (left - 22, predict + 48),
                (left - 22, search + 48),
                (left, search + 48),
            ]
        )
    )
    bottom = int(tops[-1] + height + 40)
    note = (
        "left: the room that does it; right: where a molecule may end, each counted in the accounts"
    )
    elements.append(text(430, bottom - 14, note, size=12, kind="small"))
    steps = "; ".join(
        f"{title} ({room})" + (f", may end as {end}" if end else "")
        for title, room, _, end in STEPS
    )
    return document(
        880,
        bottom,
        "The way of one molecule",
        f"From an input file to the shortlist: {steps}. The results of predictions go back to the "
        "choice of the next batch.",
        elements,
    )


if __name__ == "__main__":
    sys.exit(main())
