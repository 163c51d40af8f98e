from dataclasses import replace
from html.parser import HTMLParser

import pytest

from screener.ranking.objectives import RankingSettings, parse_objective
from screener.report.content import Value
from screener.report.html import N_CARDS, N_DRAWN, render_report

SCRIPT = "<script>alert('x')</script>"
VOID = {"meta", "br"}


class Page(HTMLParser):
    """Tags in order, the text, and whether every tag is closed."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.open, self.attributes, self.words = [], [], [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attrs]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not self.open or self.open[-1] != "style":
            self.words += data.split()

    @property
    def text(self):
        return " ".join(self.words)


def test_is_one_well_formed_document_that_fetches_nothing(content):
    html = render_report(content)
    page = Page(html)
    assert page.open == []
    assert not {"script", "link", "img", "iframe", "object"} & set(page.tags)
    addresses = [value for _, key, value in page.attributes if key in ("href", "src", "xlink:href")]
    assert addresses
    assert all(address.startswith("#") for address in addresses)
    assert "url(" not in html
    assert "@import" not in html
    targets = {value for _, key, value in page.attributes if key == "id"}
    assert {address[1:] for address in addresses} <= targets


def test_the_same_content_gives_the_same_bytes(content):
    assert render_report(content) == render_report(content)


def test_every_text_of_the_input_is_escaped(content):
    molecule = replace(
        content.shortlist[0], name=SCRIPT, known_as=SCRIPT, smiles=SCRIPT, mol_id=SCRIPT
    )
    hostile = replace(
        content,
        title=SCRIPT,
        written=SCRIPT,
        library=SCRIPT,
        ranking=content.ranking.model_copy(update={"description": SCRIPT}),
        stages=(replace(content.stages[0], name=SCRIPT, bundle=SCRIPT),),
        accounts=replace(
            content.accounts,
            stages=(replace(content.accounts.stages[0], name=SCRIPT, filtered={SCRIPT: 1}),),
            final={SCRIPT: 1},
        ),
        shortlist=(molecule, replace(molecule, known_as="", name='"><img src=x onerror=alert(1)>')),
        known=(
            replace(content.known[0], name=SCRIPT, known_as=SCRIPT, smiles=SCRIPT, reason=SCRIPT),
        ),
        quarantine=(
            replace(
                content.quarantine[0], message=SCRIPT, example=SCRIPT, code=SCRIPT, stage=SCRIPT
            ),
        ),
        provenance=((SCRIPT, SCRIPT),),
        warnings=(SCRIPT,),
    )
    page = Page(render_report(hostile))
    assert not {"script", "img"} & set(page.tags)
    assert not any(key.startswith("on") for _, key, _ in page.attributes)
    assert page.text.count(SCRIPT) > 15  # shown as the text that it is
    assert page.open == []


def test_an_own_column_is_escaped_where_it_is_an_objective(content):
    ranking = RankingSettings(objectives=(parse_objective("minimise:<b>price</b>"),))
    page = Page(render_report(replace(content, ranking=ranking)))
    assert "<b>price</b>" in page.text
    assert "minimise" in page.text


def test_shows_values_with_unit_interval_and_correction(content):
    text = Page(render_report(content)).text
    assert "HOMO −8.88 eV −9.09 to −8.67 GFN2-xTB −13.28 + 4.40" in text
    assert "dipole moment 3.83 D 3.53 to 4.13 GFN2-xTB 4.43 − 0.60" in text
    assert "atomization energy, 0 K 98.30 kcal/mol per atom 98.10 to 98.50" in text
    assert "minimise from −6.40 (poor) to −8.90 (good)" in text
    assert "Cheng et al., J. Phys. Chem. Lett. 6, 283 (2015)" in text


def test_a_missing_value_is_a_dash(content):
    molecule = replace(content.shortlist[0], values={"homo_b3lyp_ev": Value(None)})
    text = Page(render_report(replace(content, shortlist=(molecule,)))).text
    assert "HOMO – eV" in text
    assert "None" not in text
    assert "nan" not in text.split()


def test_known_molecules_stand_ranked_first_with_their_reasons(content):
    text = Page(render_report(content)).text
    places = [
        text.index(words)
        for words in (
            "ethylene carbonate (EC) candidate-0001 O=C1OCCO1 shortlisted 2",
            "succinonitrile candidate-0053 N#CCCC#N ranked 371",
            "diethyl carbonate (DEC) candidate-0052 CCOC(=O)OCC not selected",
            "tetraglyme candidate-0044 COCCOCCOCCOCCOC filtered mmff94 3<=n_heavy<=14",
            "out of domain mmff94 nearest environment of F",
            "quarantined gfn2-opt scf_failed",
        )
    ]
    assert places == sorted(places)


def test_the_final_states_are_added_up(content):
    text = Page(render_report(content)).text
    assert "together 5 210 of 5 210 molecules in the library" in text.replace("\u202f", " ")
    assert "5 302 records read = 5 210 kept + 71 duplicates + 21 set aside" in text.replace(
        "\u202f", " "
    )


@pytest.mark.parametrize("n", [0, 1, N_DRAWN + 30])
def test_draws_no_more_than_is_bearable(content, n):
    many = tuple(replace(content.shortlist[0], rank=rank + 1) for rank in range(n))
    html = render_report(replace(content, shortlist=many))
    assert html.count("<svg") == min(n, N_CARDS) + min(n, N_DRAWN)
    assert html.count("acetonitrile (AN)</b>") == n  # all are in the table
    assert ("No molecule could be ranked" in html) == (n == 0)


def test_a_ranking_by_value_shows_no_score(content):
    ranking = RankingSettings(objectives=(parse_objective("minimise:homo_b3lyp_ev"),))
    text = Page(render_report(replace(content, ranking=ranking))).text
    assert "by the value itself" in text
    assert "Score" not in text
    assert "0.729" not in text


def test_warnings_stand_above_the_sections(content):
    warned = replace(content, warnings=("chosen by other objectives",))
    text = Page(render_report(warned)).text
    assert text.index("chosen by other objectives") < text.index("Objective Goal Scale")
