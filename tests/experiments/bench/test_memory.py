"""Bytes, counted exactly where they can be."""

import sys

import pytest
import torch

from experiments.bench.memory import LiveTensors, resident


def test_live_tensors_are_counted_to_the_byte():
    x = torch.ones(1000, requires_grad=True)
    with LiveTensors([x]) as live:
        y = x.exp()  # 8000
        z = y * y  # 12000
        del y  # the graph keeps it
        assert live.now() == 12000
        loss = z.sum()  # 12004
        del z  # nobody keeps it
        assert live.now() == 8004
        with torch.no_grad():
            w = torch.zeros(500, dtype=torch.float64)  # 12004
            view = w[10:20].view(2, 5)  # no memory of its own
            w.add_(1.0)
    assert (live.start, live.peak, live.now()) == (4000, 12004, 12004)
    del view, w, loss
    assert live.now() == 4000


def test_a_backward_is_followed_too():
    x = torch.ones(1000, requires_grad=True)
    with LiveTensors([x]) as live:
        torch.sigmoid(x).sum().backward()
    assert live.peak == 12_008  # x, sigmoid and gradient; the sum and its gradient are one number each
    assert live.now() == 8000  # x and its gradient


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells")
def test_resident_memory_grows_by_what_is_touched():
    grown = resident(lambda: bytearray(b"1" * 2**25).count(b"2"))
    if grown is None:
        pytest.skip("this system does not let a process reset its height")
    assert 2**25 <= grown < 2**25 * 2.5
    assert resident(lambda: None) < 2**22
