"""A number that does not come out is said to be wrong."""

import pytest
import torch

from experiments.lessons.work import Work, agree


@pytest.mark.parametrize(
    ("expected", "computed", "digits"),
    [
        (2.9, 2.900002, 6),
        (2.9, -2.9, 6),
        ([1, 2], [1, 2, 3], 6),
        (5.3, 5.36, 1),
        (1.0, float("nan"), 6),
        ("cat", "dog", 6),
        (True, False, 6),
    ],
)
def test_what_differs_does_not_agree(expected, computed, digits):
    assert not agree(expected, computed, digits)


@pytest.mark.parametrize(
    ("expected", "computed", "digits"),
    [(2.9, torch.tensor(2.9), 6), ([[1, 0]], torch.tensor([[1.0, -0.0]]), 6), (5.3, 5.266667, 1), ("cat", "cat", 6)],
)
def test_what_is_alike_when_rounded_agrees(expected, computed, digits):
    assert agree(expected, computed, digits)


def test_a_wrong_number_and_a_false_claim_are_failures():
    work = Work()
    work.expect("right", 1, 1)
    assert work.holds
    work.expect("wrong", 1, 2)
    work.claim("false", False)
    assert not work.holds
    assert [entry.holds for entry in work.failures] == [False, False]


def test_values_are_kept_as_they_were():
    work, w = Work(), torch.zeros(2)
    work.step("before", w)
    w += 1
    assert work.entries[0].value.tolist() == [0, 0]
