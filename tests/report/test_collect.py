import dask
import numpy as np
import pyarrow as pa
import pytest
from rdkit import Chem

from screener.campaign.results import quarantine
from screener.campaign.results.provenance import Session, stage_results
from screener.campaign.results.rank import rank
from screener.campaign.results.rankings import find_ranking
from screener.campaign.results.totals import StageTotals
from screener.campaign.settings.frozen import write_setup
from screener.campaign.settings.setup import Setup, Stage
from screener.campaign.settings.stage import Campaign
from screener.chemistry.structures import StructureSettings
from screener.errors import ConfigError, DamagedError, StoreError
from screener.ranking.columns import with_computed
from screener.ranking.presets import load_preset
from screener.ranking.row_status import best, row_status
from screener.records import QuarantineRecord, Structure
from screener.report.collect import collect, write_report
from screener.stores.files import Folder
from screener.stores.library import (
    SCHEMA_VERSION,
    SHARDS_SCHEMA,
    STANDARD_SCHEMA,
    LibraryManifest,
    LibraryTotals,
)
from screener.stores.mol_ids import mol_ids_of
from screener.stores.quarantine import quarantine_table
from screener.stores.structures import StructureStore

# SMILES, known as, source id, heavy atoms, atoms, HOMO, LUMO, dipole, kcal/mol
MOLECULES = [
    ("O=C1OCCO1", "ethylene carbonate (EC)", "c-1", 6, 10, -7.99, 1.09, 5.06, 1014.8),
    ("CC#N", "acetonitrile (AN)", "c-2", 3, 6, -8.88, 1.02, 3.83, 589.8),
    ("O=C1OCC(F)O1", "fluoroethylene carbonate (FEC)", "c-3", 7, 10, None, None, None, None),
    ("COCCOCCOCCOCCOC", "tetraglyme", "c-4", 15, 37, -6.8, 2.2, 1.0, 3290.0),
    ("COC(=O)OC", "", "<script>alert(1)</script>", 6, 12, -7.8, 0.9, 3.5, 1130.0),
    ("C1COCO1", "1,3-dioxolane (DOL)", "c-6", 5, 11, -7.00, 2.35, 0.02, 1005.7),
    ("O=C1C=CC(=O)O1", "maleic anhydride", "c-7", 7, 9, -8.1, 1.4, 4.3, 930.0),
    ("C1CCC#CCCC1", "", "c-8", 8, 20, -6.9, 1.4, 0.2, 1750.0),
]
MMFF94, GFN2_OPT = "mmff94", "gfn2-opt"
PREDICTED = ("homo_b3lyp_ev", "lumo_b3lyp_ev", "dipole_b3lyp_debye", "ae0_b3lyp_kcal")
LOW = ("homo_gfn2_ev", "lumo_gfn2_ev", "dipole_gfn2_debye", "de_gfn2_kcal")


def mol_id(row):
    return f"{row:032x}"


def molecules():
    smiles, known_as, source_id, n_heavy, n_atoms, *_ = zip(*MOLECULES, strict=True)
    n = len(MOLECULES)
    return pa.table(
        {
            "row": list(range(n)),
            "mol_id": [mol_id(row) for row in range(n)],
            "inchikey": ["X"] * n,
            "smiles": smiles,
            "source_id": source_id,
            "smiles_input": smiles,
            "n_heavy": n_heavy,
            "n_atoms": n_atoms,
            "charge": [0] * n,
            "n_undefined_stereo": [0] * n,
        },
        schema=STANDARD_SCHEMA,
    ).append_column("known_as", pa.array(known_as))


def write_library(folder):
    table = molecules()
    folder.write_table("shards/part-00000000.parquet", table)
    shard = [("shards/part-00000000.parquet", table.num_rows, "0" * 64, 1)]
    names = SHARDS_SCHEMA.names
    folder.write_table(
        "manifest.parquet",
        pa.Table.from_pylist(
            [dict(zip(names, each, strict=True)) for each in shard], SHARDS_SCHEMA
        ),
    )
    record = QuarantineRecord(
        "library", "invalid_smiles", "ring 1 is not closed", source="in.smi", line=9, raw="C1CC<b>"
    )
    folder.write_table("quarantine/0.parquet", quarantine_table([record]))
    manifest = LibraryManifest(
        schema_version=SCHEMA_VERSION,
        screener_version="0.1.0",
        rdkit_version="2026.9.1",
        settings={},
        inputs=[],
        totals=LibraryTotals(
            read=11,
            blank=0,
            isomers_added=0,
            kept=len(MOLECULES),
            duplicates=2,
            quarantined=1,
            quarantined_by_code={"invalid_smiles": 1},
            undefined_stereo=0,
            n_heavy={},
            elements={},
        ),
        columns=[(field.name, str(field.type)) for field in table.schema],
        shard_rows=65_536,
        duplicates=[],
        quarantine=["quarantine/0.parquet"],
        digest="ab" * 16,
    )
    folder.write_json("manifest.json", manifest.model_dump(mode="json"))


def predictions(rows, level):
    """As a bundle predicts them: intervals, and at `gfn2-opt` low values and corrections."""
    table = molecules().take(pa.array(rows, pa.int64())).drop_columns(["smiles_input"])
    own = table["known_as"]
    table = table.drop_columns(["known_as"])
    for place, name in enumerate(PREDICTED):
        values = [MOLECULES[row][5 + place] for row in rows]
        for suffix, shift in (("", 0.0), ("_std", None), ("_lo90", -0.2), ("_hi90", 0.2)):
            column = [
                None if value is None else (0.1 if shift is None else value + shift)
                for value in values
            ]
            table = table.append_column(f"{name}{suffix}", pa.array(column, pa.float64()))
        if level == GFN2_OPT:
            low = [value - 4.0 for value in values]
            table = table.append_column(LOW[place], pa.array(low, pa.float64()))
            delta = pa.array([4.0] * len(rows), pa.float64())
            table = table.append_column(f"{name}_delta", delta)
    outside = [MOLECULES[row][5] is None for row in rows]
    table = table.append_column("in_domain", pa.array([not each for each in outside], pa.bool_()))
    reasons = ["C-F unlike any in training" if each else "" for each in outside]
    table = table.append_column("domain_reasons", pa.array(reasons, pa.string()))
    table = table.append_column("geometry_level", pa.array([level] * len(rows), pa.string()))
    return with_computed(table).append_column("known_as", own)


def fake_structure(smiles):
    molecule = Chem.AddHs(Chem.MolFromSmiles(smiles))
    numbers = np.array([atom.GetAtomicNum() for atom in molecule.GetAtoms()], dtype=np.uint8)
    return Structure(numbers, np.zeros((len(numbers), 3), dtype=np.float32))


def carry_out(stage, quarantined):
    """One stage as its tasks would leave it."""
    store = stage.store
    for unit in stage.plan.units():
        kept = [row for row in unit.rows.tolist() if row not in quarantined]
        failed = [
            QuarantineRecord(
                "structures", "scf_failed", "GFN2 did not converge", row=row, mol_id=mol_id(row)
            )
            for row in unit.rows.tolist()
            if row in quarantined
        ]
        table = predictions(kept, stage.settings.geometry.level)
        status = row_status(table, stage.setup.acquisition)
        StructureStore(stage.structures).write(
            unit.name,
            mol_ids_of([mol_id(row) for row in kept]),
            [fake_structure(MOLECULES[row][0]) for row in kept],
        )
        store.write_unit(
            unit.name,
            table,
            failed,
            counts={"in": unit.n_rows, "quarantined": len(failed), **status.counts},
            seconds=1.5,
            details={
                "top": best(table, status, stage.k).to_json(),
                "quarantine": {"scf_failed": len(failed)} if failed else {},
                "filtered": status.filtered,
                "left_out": status.left_out,
                "made": len(kept),
                "structure_units": [unit.name],
                "finished": 0.0,
            },
        )
    return StageTotals.of(store.receipts.all(), stage.k)


def choose(stage, totals):
    entries = totals.top.entries
    stage.store.write_batch(
        pa.table(
            {
                "row": [entry.row for entry in entries],
                "mol_id": [entry.mol_id for entry in entries],
                "score": [entry.score for entry in entries],
            }
        )
    )


@pytest.fixture
def campaign(tmp_path):
    library = Folder(str(tmp_path / "library"))
    write_library(library)
    preset = load_preset("electrolyte-solvent").model_copy(update={"top": 2})
    setup = Setup(
        library=library.url,
        library_digest="ab" * 16,
        n_rows=len(MOLECULES),
        known_column="known_as",
        versions={},
        own_columns={"known_as": "known_as"},
        stages=tuple(
            Stage(
                name=level,
                bundle=f"bundle-{level}",
                bundle_digest="cd" * 16,
                structures_digest=level,
                unit_rows=3,
                segment_units=8,
                wall_clock_seconds=60,
                rows=rows,
                geometry=StructureSettings(level=level),
            )
            for level, rows in ((MMFF94, None), (GFN2_OPT, 4))
        ),
        acquisition=preset,
        ranking=preset,
    )
    folder = Folder(str(tmp_path / "first"))
    write_setup(folder, setup)
    made = Campaign(folder, setup)
    session = Session(made, ["screener", "screen", "my library"], 2)
    session.write()
    first, second = made.stages
    totals = [carry_out(first, {7})]
    choose(second, totals[0])
    totals.append(carry_out(second, {6}))
    session.write(stages=stage_results(setup, totals), ranking=rank(made).told)
    return folder, setup


def test_collects_the_shortlist_with_values_corrections_and_names(campaign):
    folder, _ = campaign
    content = collect(folder)
    assert content.title == "first"
    assert [molecule.rank for molecule in content.shortlist] == [1, 2]
    assert {molecule.known_as for molecule in content.shortlist} == {
        "acetonitrile (AN)",
        "ethylene carbonate (EC)",
    }
    first = next(each for each in content.shortlist if each.name == "c-2")
    homo = first.values["homo_b3lyp_ev"]
    assert (homo.value, homo.low, homo.low_name, homo.delta) == (-8.88, -12.88, "GFN2-xTB", 4.0)
    assert (homo.lo90, homo.hi90) == (pytest.approx(-9.08), pytest.approx(-8.68))
    assert 0 < homo.desirability < 1
    per_atom = first.values["ae0_b3lyp_kcal_per_atom"]
    assert per_atom.value == pytest.approx(589.8 / 6)
    assert per_atom.low == pytest.approx((589.8 - 4) / 6)
    assert first.values["n_heavy"].value == 3
    assert first.values["n_heavy"].lo90 is None
    assert content.n_ranked == 3


def test_tells_where_the_known_molecules_ended_and_why(campaign):
    folder, _ = campaign
    known = {each.known_as: each for each in collect(folder).known}
    assert len(known) == 6
    ends = {name: (each.state, each.stage) for name, each in known.items()}
    assert ends == {
        "ethylene carbonate (EC)": ("shortlisted", GFN2_OPT),
        "acetonitrile (AN)": ("shortlisted", GFN2_OPT),
        "fluoroethylene carbonate (FEC)": ("out of domain", MMFF94),
        "tetraglyme": ("filtered", MMFF94),
        "1,3-dioxolane (DOL)": ("not selected", MMFF94),
        "maleic anhydride": ("quarantined", GFN2_OPT),
    }
    assert known["tetraglyme"].reason == "3<=n_heavy<=14"
    assert "C-F unlike any" in known["fluoroethylene carbonate (FEC)"].reason
    assert "GFN2 did not converge" in known["maleic anhydride"].reason
    assert known["acetonitrile (AN)"].rank == 1


def test_collects_accounts_quarantine_and_provenance(campaign):
    folder, setup = campaign
    content = collect(folder)
    assert content.accounts.is_balanced
    assert sum(content.accounts.final.values()) == len(MOLECULES)
    reasons = [(each.stage, each.code, each.count, each.example) for each in content.quarantine]
    assert reasons == [
        ("library", "invalid_smiles", 1, "in.smi:9  C1CC<b>"),
        (MMFF94, "scf_failed", 1, "c-8  C1CCC#CCCC1"),
        (GFN2_OPT, "scf_failed", 1, "c-7  O=C1C=CC(=O)O1"),
    ]
    told = dict(content.provenance)
    assert told["command"] == "screener screen 'my library'"
    assert told["compute digest"] == setup.compute_digest
    assert told["ranking digest"] == setup.ranking_digest
    assert [stage.bundle for stage in content.stages] == ["bundle-mmff94", "bundle-gfn2-opt"]
    assert content.warnings == ()


def test_writes_the_same_bytes_again(campaign):
    folder, _ = campaign
    write_report(folder)
    html = folder.read_bytes("report.html")
    assert b"acetonitrile (AN)" in html
    assert b"<script" not in html
    write_report(folder)
    assert folder.read_bytes("report.html") == html


def test_another_ranking_is_told_with_a_warning(campaign):
    folder, setup = campaign
    one = setup.ranking.model_copy(update={"objectives": setup.ranking.objectives[:1], "top": 9})
    again = setup.model_copy(update={"ranking": one})
    ranked = Campaign(folder, again)
    ranking = rank(ranked, command=["screener", "rank"])
    assert not ranking.is_main
    assert len(collect(folder).shortlist) == 2
    content = collect(folder, ranking.name)
    assert not content.is_main
    assert dict(content.provenance)["ranking digest"] == again.ranking_digest
    assert dict(content.provenance)["ranked"].endswith("by screener rank")
    assert [objective.column for objective in content.ranking.objectives] == ["homo_b3lyp_ev"]
    assert len(content.shortlist) == 3
    chosen, fewer = content.warnings
    assert "chosen by other objectives (minimise:homo_b3lyp_ev" in chosen
    assert "9 molecules were asked for and only 3" in fewer


def test_counts_what_stages_disagree_on(campaign, monkeypatch):
    folder, _ = campaign
    told = StageTotals.of

    def of(receipts, k):  # as receipts tell it; those of the fixture are from before they did
        totals = told(receipts, k)
        if totals.counts["in"] == 4:
            totals.disagree.update({"rows": 2, "homo_b3lyp_ev": 1, "dipole_b3lyp_debye": 2})
        return totals

    monkeypatch.setattr(StageTotals, "of", of)
    (warning,) = collect(folder).warnings
    assert warning == (
        "Of 4 molecules that stage gfn2-opt judged again, 2 have a 90 % interval that shares no "
        "value with that of stage mmff94 (dipole_b3lyp_debye 2, homo_b3lyp_ev 1); the column "
        "stages_disagree names them."
    )


def test_a_tick_is_a_mark_and_not_a_name(campaign):
    folder, _ = campaign
    path = f"{find_ranking(folder).path}known.parquet"
    table = folder.read_table(path)
    ticks = pa.array(["True"] * table.num_rows)
    place = table.schema.get_field_index("known_as")
    folder.write_table(path, table.set_column(place, "known_as", ticks))
    content = collect(folder)
    assert {molecule.known_as for molecule in content.shortlist} == {"c-1", "c-2"}


def test_says_what_is_missing(campaign, tmp_path):
    folder, _ = campaign
    with pytest.raises(ConfigError, match="not a campaign"):
        write_report(Folder(str(tmp_path / "elsewhere")))
    folder.remove("provenance.json")
    with pytest.raises(ConfigError, match="no shortlist yet"):
        write_report(folder)
    assert not folder.exists("report.html")


def test_a_quarantine_that_lost_its_file_is_an_error(campaign):
    folder, setup = campaign
    empty = quarantine_table([])
    Folder(setup.library).write_table("quarantine/0.parquet", empty)
    with pytest.raises(StoreError, match="set aside as invalid_smiles"):
        collect(folder)


def test_all_that_the_report_counts_as_set_aside_is_listed(campaign, monkeypatch):
    """Of the library first, then stage by stage, with the ids and the SMILES as given."""
    folder, _ = campaign
    monkeypatch.setattr(quarantine, "_PART_ROWS", 1)
    set_aside = quarantine.set_aside_by(folder)
    counted = {(each.stage, each.code): each.count for each in collect(folder).quarantine}
    assert set_aside.counts == counted
    assert len(set_aside) == 3
    listed = set_aside.reader().read_all()
    assert listed.schema == quarantine.SCHEMA
    kept = {name: listed[name].to_pylist() for name in ("stage", "source_id", "row", "line")}
    assert kept == {
        "stage": ["library", MMFF94, GFN2_OPT],
        "source_id": ["in.smi:9", "c-8", "c-7"],
        "row": [None, 7, 6],
        "line": [9, None, None],
    }
    assert listed["smiles_input"].to_pylist() == ["C1CC<b>", "C1CCC#CCCC1", "O=C1C=CC(=O)O1"]
    assert listed["mol_id"].to_pylist() == [None, mol_id(7), mol_id(6)]
    (table,) = set_aside.tables(["c-7"])
    assert table["stage"].to_pylist() == [GFN2_OPT]
    frame = set_aside.dask()
    assert frame.npartitions == len(set_aside.parts) == 3
    with dask.config.set(scheduler="synchronous"):
        computed = frame.compute()
    assert computed["source_id"].tolist() == kept["source_id"]
    assert str(computed["row"].dtype) == "int64[pyarrow]"


def test_parts_of_units_that_are_compacted_are_read_once(campaign):
    folder, _ = campaign
    stage = Campaign.open(folder).stages[0]
    before = quarantine.set_aside_by(folder).reader().read_all()
    units = [unit.name for unit in stage.read_plan().units()]
    assert stage.store.compact("segment", units) == ()
    set_aside = quarantine.set_aside_by(folder)
    assert set_aside.reader().read_all() == before
    assert len(set_aside.parts) == 3


def test_a_lost_file_of_what_a_stage_set_aside_is_an_error(campaign):
    folder, _ = campaign
    (name,) = folder.names(f"quarantine/{MMFF94}")
    folder.remove(f"quarantine/{MMFF94}/{name}")
    with pytest.raises(DamagedError, match="is lost"):
        list(quarantine.set_aside_by(folder).tables())
