"""The rate is that of the last minute, or of the last few units."""

from screener.campaign.results.throughput import N_RECENT, WINDOW_SECONDS, Throughput


def paced(units):
    throughput = Throughput()
    for finished, n_rows in units:
        throughput.add(finished, n_rows)
    return throughput


def test_one_unit_is_no_rate():
    assert Throughput().rate(0.0, 0.0) is None
    assert paced([(5.0, 4)]).rate(5.0, 0.0) is None


def test_only_the_last_minute_counts_whatever_the_order():
    old = [(float(n), 1) for n in range(500)]
    recent = [(1e6 + 0.5 * n, 9) for n in range(100)]
    assert paced([*recent, *old]).rate(1e6 + 50, 0.0) == 18.0
    assert paced([*old, *recent]).rate(1e6 + 50, 0.0) == 18.0


def test_slow_units_count_by_number():
    slow = [(1000.0 * n, 10) for n in range(100)]
    throughput = paced(slow)
    assert throughput.rate(99_000.0, 0.0) == 0.01
    assert throughput.rate(0.0, 0.0) == 0.01  # another machine's clock is behind
    assert throughput.rate(99_000.0, 98_500.0) is None  # what an earlier session did says nothing
    assert throughput.rate(99_000.0, 97_500.0) == 0.01


def test_the_rate_falls_when_nothing_is_finished_any_more():
    throughput = paced([(float(n), 1) for n in range(N_RECENT)])
    last = N_RECENT - 1.0
    assert throughput.rate(last + WINDOW_SECONDS, 0.0) == 1.0
    assert throughput.rate(2 * last + WINDOW_SECONDS, 0.0) == 0.5
