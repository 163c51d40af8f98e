"""Unique candidates per second on one core, beside RDKit's own parsing and writing of the same.

    python tests/benchmarks/enumerate.py --molecules 20000

For each specification that ships (mutation starts from the known molecules of the example library):
molecules per second of processor time in one process, loading of the specification apart; the
same of a bare loop over `MolFromSmiles` and `MolToSmiles` with the molecules that came out; and how
many are made for one that is kept.
"""

import argparse
import csv
import time
from collections.abc import Callable
from importlib.resources import files

from rdkit import Chem

from screener.enumeration.space import make_space
from screener.enumeration.spec import load_spec, spec_names
from screener.enumeration.stream import Stream
from screener.execution.threads import one_thread

KNOWN = files("screener") / "data" / "examples" / "known-molecules.csv"


def timed(work: Callable[[], int]) -> tuple[int, float]:
    """What `work` returns and the processor time that it took, seconds."""
    started = time.process_time()
    done = work()
    return done, time.process_time() - started


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--molecules", type=int, default=20_000)
    asked = parser.parse_args()
    one_thread()
    known = [row["smiles"] for row in csv.DictReader(KNOWN.read_text("utf-8").splitlines())]
    for name in spec_names():
        spec = load_spec(name)
        started = time.process_time()
        space = make_space(spec, name, known if spec.mutation else ())
        loading = time.process_time() - started
        stream = Stream(space, seed=0, limit=asked.molecules)
        smiles: list[str] = []

        def make(stream: Stream = stream, smiles: list[str] = smiles) -> int:
            for table in stream:
                smiles.extend(table["smiles"].to_pylist())
            return len(smiles)

        def bare(smiles: list[str] = smiles) -> int:
            return sum(bool(Chem.MolToSmiles(Chem.MolFromSmiles(text))) for text in smiles)

        n_kept, seconds = timed(make)
        n_parsed, bare_seconds = timed(bare)
        print(
            f"{name}: {n_kept / seconds:,.0f} unique molecules/s, bare RDKit "
            f"{n_parsed / bare_seconds:,.0f}/s; {n_kept:,} molecules, "
            f"{stream.tally.n_made / n_kept:.2f} made for one; loading {loading:.1f} s"
        )


if __name__ == "__main__":
    main()
