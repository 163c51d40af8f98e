"""Receipts add up to the same whatever their order."""

from hypothesis import given
from hypothesis import strategies as st

from screener.campaign.results.totals import StageTotals
from screener.ranking.topk import Ranked, TopK
from screener.records import Receipt


def receipt(index, scores, k=3):
    entries = [
        Ranked(score, f"{index:04d}{n:04d}", 100 * index + n) for n, score in enumerate(scores)
    ]
    n = len(scores)
    return Receipt(
        unit=f"u{index}",
        stage="mmff94",
        counts={"in": n + 1, "quarantined": 1, "candidates": n},
        files={},
        seconds=2.0,
        details={
            "top": TopK.of(entries, k).to_json(),
            "quarantine": {"timed_out": 1},
            "filtered": {},
            "left_out": ["maximise:de_gfn2_kcal"],
            "outside": {"fluorine": 1},
            "made": n,
        },
    )


@given(
    units=st.lists(st.lists(st.integers(0, 5).map(float), max_size=6), max_size=8),
    order=st.randoms(use_true_random=False),
)
def test_the_sum_does_not_depend_on_the_order(units, order):
    receipts = [receipt(index, scores) for index, scores in enumerate(units)]
    totals = StageTotals.of(receipts, 3)
    shuffled = list(receipts)
    order.shuffle(shuffled)
    other = StageTotals.of(shuffled, 3)
    assert (other.top, other.counts, other.quarantine) == (
        totals.top,
        totals.counts,
        totals.quarantine,
    )
    assert (other.left_out, other.n_units) == (totals.left_out, len(units))
    assert other.outside == totals.outside
    assert totals.outside["fluorine"] == len(units)
    assert totals.counts["in"] == sum(len(scores) + 1 for scores in units)
    everything = sorted(
        (-score, f"{index:04d}{n:04d}")
        for index, scores in enumerate(units)
        for n, score in enumerate(scores)
    )
    assert [(-entry.score, entry.mol_id) for entry in totals.top.entries] == everything[:3]
    assert (totals.floor is None) == (len(everything) < 3)


def test_receipts_that_tell_too_few_are_noticed():
    assert StageTotals.of([receipt(0, [1.0, 2.0], k=3)], 3).complete
    assert StageTotals.of([receipt(0, [1.0, 2.0], k=3)], 2).complete
    assert not StageTotals.of([receipt(0, [1.0, 2.0], k=3)], 4).complete


def test_receipts_from_before_reasons_were_told_are_counted():
    old = receipt(0, [1.0])
    del old.details["outside"]
    assert StageTotals.of([old], 1).outside == {}
