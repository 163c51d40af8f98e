"""Reasons to be outside a domain: sentences for people, numbers for programs."""

import math

import pytest

from screener.stores.domain_reasons import (
    Reason,
    in_words,
    joined,
    kinds_in,
    reasons_in,
    sentences_in,
    with_numbers,
)

FAR = "the environment of the ether oxygen is unlike any that the model was fitted to"


def test_sentences_and_numbers_come_apart_again():
    text = joined(
        [
            "has sulfur, which the model never saw",
            with_numbers(FAR, {"distance": 1.312, "limit": 0.97}),
        ]
    )
    assert text.endswith("(distance 1.31, limit 0.97)")
    assert reasons_in(text) == [
        Reason("has sulfur, which the model never saw"),
        Reason(FAR, {"distance": 1.31, "limit": 0.97}),
    ]
    assert in_words(text) == f"has sulfur, which the model never saw; {FAR}"


def test_a_sentence_is_told_once_whatever_its_numbers():
    text = joined(with_numbers(FAR, {"distance": value, "limit": 1.0}) for value in (1.2, 1.3))
    assert sentences_in(text) == kinds_in(text) == [FAR]
    assert len(reasons_in(text)) == 2


@pytest.mark.parametrize("text", ["carbon of a (strange) kind", "too (1) far", "(distance)"])
def test_other_brackets_belong_to_the_sentence(text):
    assert reasons_in(text) == [Reason(text)]


def test_figures_in_words_are_shown_and_not_counted():
    texts = [f"x is too uncertain (its 90 % interval is {each} D wide)" for each in (12.3, 14.5)]
    assert in_words(joined(texts)) == joined(texts)
    assert kinds_in(joined(texts)) == ["x is too uncertain"]
    assert kinds_in("of a (strange) kind") == ["of a (strange) kind"]


def test_no_reason_and_no_number():
    assert reasons_in("") == sentences_in("") == []
    assert in_words("") == ""
    (reason,) = reasons_in(with_numbers(FAR, {"distance": math.nan}))
    assert math.isnan(reason.numbers["distance"])
