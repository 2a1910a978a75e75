"""Forward mode follows the same conventions at kinks as the backward pass."""

import pytest
import torch
from torch.autograd import forward_ad

from manualnet.specs import SPECS

KINKS = [
    pytest.param(spec, kink, id=f"{spec.name}-{kink.sample.label or i}")
    for spec in SPECS.values()
    for i, kink in enumerate(spec.kinks())
]


@pytest.mark.parametrize(("spec", "kink"), KINKS)
def test_a_tangent_at_a_kink_follows_the_convention(spec, kink):
    torch.manual_seed(0)
    tangents = [torch.randn_like(x) for x in kink.sample.inputs]
    with forward_ad.dual_level():
        duals = [forward_ad.make_dual(x.detach(), t) for x, t in zip(kink.sample.inputs, tangents, strict=True)]
        sample = kink.sample.with_inputs(duals)
        change = forward_ad.unpack_dual(spec.function(*sample.args, **sample.kwargs)).tangent
    expected = sum((g * t).sum() for g, t in zip(kink.gradients, tangents, strict=True))
    torch.testing.assert_close(change.sum(), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["hinge_loss", "triplet_loss"])
def test_a_margin_met_exactly_has_no_second_derivative(name):
    torch.manual_seed(0)
    for kink in SPECS[name].kinks():
        sample = kink.sample
        y = SPECS[name].function(*sample.args, **sample.kwargs).sum()
        slopes = torch.autograd.grad(y, sample.inputs, create_graph=True)
        bends = torch.autograd.grad(slopes, sample.inputs, [torch.randn_like(s) for s in slopes])
        for bend in bends:
            assert torch.equal(bend, torch.zeros_like(bend))
