"""Fast paths and checks of values are for ordinary tensors: every other kind is told apart."""

import pytest
import torch
import torch.autograd.forward_ad as forward_ad
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch._vmap_internals import _vmap

from manualnet import functional as F
from manualnet.check.nodes import around_rules
from manualnet.functional._plain import ordinary, plain, readable
from manualnet.handwritten import rule_of


class _Subclass(torch.Tensor):
    pass


def _fake():
    with FakeTensorMode():
        return torch.ones(2)


OTHERS = {
    "a subclass": lambda: torch.ones(2).as_subclass(_Subclass),
    "a subclass's parameter": lambda: nn.Buffer(torch.ones(2).as_subclass(_Subclass)),
    "a fake": _fake,
    "sparse": lambda: torch.ones(2).to_sparse(),
    "functional": lambda: torch._to_functional_tensor(torch.ones(2)),
}


def test_what_holds_its_own_numbers():
    assert ordinary(torch.ones(2), nn.Parameter(torch.ones(2)), None)
    assert ordinary()


@pytest.mark.parametrize("make", OTHERS.values(), ids=OTHERS)
def test_what_does_not(make):
    assert not ordinary(torch.ones(2), make())
    assert not readable(make())


def test_what_transforms_hand_over():
    seen = []

    def see(x):
        seen.append(ordinary(x))
        return x.sum()

    x = torch.ones(2, 2)
    for transform in (torch.func.vmap, torch.func.grad, _vmap):
        transform(see)(x)
    with forward_ad.dual_level():
        see(forward_ad.make_dual(x, x))
        see(x)
    assert seen == [False] * 5


def test_a_recorded_graph_is_not_plain():
    x = torch.ones(2)
    assert not plain(x)
    with torch.no_grad():
        assert plain(x)


@pytest.mark.parametrize("make", [torch._neg_view, lambda x: torch._efficientzerotensor(x.shape)])
def test_what_is_not_in_memory_as_it_is_read_holds_numbers_but_is_not_plain(make):
    x = make(torch.ones(2))
    assert ordinary(x)
    with torch.no_grad():
        assert not plain(x)


def test_what_is_no_tensor_is_passed_over():
    with torch.no_grad():
        assert plain(torch.ones(2), None, 0.5)
    assert not plain(None)


def test_a_check_reads_the_cpu_alone():
    assert readable(torch.ones(2))
    assert not readable(torch.ones(2, device="meta"))


def test_a_call_that_nothing_transforms_takes_the_short_way():
    node = F.relu(torch.ones(2, requires_grad=True)).grad_fn
    assert hasattr(node._forward_cls, "rule_of")


def test_whoever_checks_can_step_in_around_a_rule_all_the_same():
    met = []

    def around(node, cotangents, run):
        met.append(rule_of(node).__name__)
        return run()

    x = torch.ones(2, requires_grad=True)
    with around_rules(around):
        F.relu(F.tanh(x)).sum().backward()
    assert met == ["ReLU", "Tanh"]
