"""Pieces are of the size asked for, and together are the whole."""

import pytest
import torch

from manualnet.functional._chunks import pieces, rows


@pytest.mark.parametrize(
    ("per_row", "limit", "expected"), [(3, 12, 4), (5, 12, 2), (1, 12, 12), (0, 12, 12), (13, 12, 1)]
)
def test_rows_fill_a_piece(per_row, limit, expected):
    assert rows(per_row, limit) == expected


def test_tensors_are_cut_alike(monkeypatch):
    monkeypatch.setattr("manualnet.functional._chunks.CHUNK", 12)
    small, large = torch.arange(14).reshape(7, 2, 1), torch.arange(42).reshape(7, 6)
    cut = list(pieces(small, large))
    assert [(len(a), len(b)) for a, b in cut] == [(6, 6), (1, 1)]
    for i, whole in enumerate((small, large)):
        assert torch.equal(torch.cat([piece[i] for piece in cut]), whole)
