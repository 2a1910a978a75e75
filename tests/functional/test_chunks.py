"""Chunked rules look at dense tensors in the order of memory; what is laid out otherwise is left to the plain rule."""

import pytest
import torch

from manualnet.functional._chunks import flat, pieces, rows, times_slope

LAYOUTS = {
    "contiguous": lambda t: t,
    "transposed": lambda t: t.transpose(0, 3).contiguous().transpose(0, 3),
    "channels last": lambda t: t.to(memory_format=torch.channels_last),
    "0-d": lambda t: t[0, 0, 0, 0].clone(),
}


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


@pytest.mark.parametrize("lay", LAYOUTS.values(), ids=LAYOUTS)
def test_dense_tensors_are_seen_in_the_order_of_memory(lay):
    x, y = (lay(torch.randn(2, 3, 4, 5)) for _ in range(2))
    views = flat(x, y)
    assert len(flat(x)) == 1
    for t, view in zip((x, y), views, strict=True):
        assert view.shape == (t.numel(),)
        assert view.data_ptr() == t.data_ptr()


@pytest.mark.parametrize(
    "other",
    [
        torch.randn(3, 2).t(),  # another layout
        torch.randn(2, 6)[:, ::2],  # gaps
        torch.randn(1, 3).expand(2, 3),  # one row seen twice
        torch.randn(3, 2),  # another shape
        torch.randn(1, 3),
    ],
    ids=["another layout", "gaps", "expanded", "another shape", "a row"],
)
def test_others_are_refused(other):
    dense = torch.randn(2, 3)
    assert flat(dense, other) is None
    assert flat(other, dense) is None


def test_a_rule_in_pieces_is_the_rule(monkeypatch):
    monkeypatch.setattr("manualnet.functional._chunks.CHUNK", 7)
    x, g = (torch.randn(4, 5).t() for _ in range(2))
    torch.testing.assert_close(times_slope(torch.cos, g, x), g * x.cos(), rtol=0, atol=0)
    assert times_slope(torch.cos, g.contiguous(), x) is None


def test_the_slope_of_bfloat16_is_looked_up():
    """It is computed once, at each of the numbers that there are."""
    computed = []

    def slope(x):
        computed.append(x)
        return x.nan_to_num().cos()

    x = torch.arange(1 << 16, dtype=torch.int32).to(torch.int16).view(torch.bfloat16)
    g = torch.randn(x.shape, generator=torch.Generator().manual_seed(0)).bfloat16()
    results = [times_slope(slope, g, x) for _ in range(2)]
    assert [len(numbers) for numbers in computed] == [len(x)]
    for result in results:
        assert torch.equal(result, (g.float() * slope(x.float())).bfloat16())
