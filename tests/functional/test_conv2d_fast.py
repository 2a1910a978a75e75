"""Convolutions that are matrix products, and those of several groups, have the gradients of their definition."""

import pytest
import torch

from manualnet import functional as F

LAYOUTS = {"planes": torch.contiguous_format, "pixels": torch.channels_last}
# Shapes of pictures and kernels, and settings.
CASES = {
    "a kernel of one pixel": ((6, 16, 5, 7), (24, 16, 1, 1), {}),
    "with large weights": ((2, 96, 3, 3), (128, 96, 1, 1), {}),
    "of every second pixel": ((3, 16, 7, 6), (8, 16, 1, 1), {"stride": 2}),
    "of some pixels": ((3, 16, 7, 6), (8, 16, 1, 1), {"stride": (3, 1)}),
    "dilated, which changes nothing": ((3, 16, 7, 6), (8, 16, 1, 1), {"dilation": 2}),
    "with padding": ((3, 16, 5, 6), (8, 16, 1, 1), {"padding": 1}),
    "one channel": ((3, 1, 5, 6), (1, 1, 1, 1), {}),
    "one pixel, two groups": ((3, 16, 5, 6), (8, 8, 1, 1), {"groups": 2}),
    "groups of many": ((5, 32, 9, 8), (48, 16, 3, 3), {"groups": 2, "padding": 1}),
    "groups of few": ((5, 8, 9, 8), (12, 2, 3, 3), {"groups": 4, "stride": 2}),
    "one channel a group": ((5, 8, 9, 8), (8, 1, 3, 3), {"groups": 8, "padding": 1}),
    "two outputs a channel": ((5, 8, 9, 8), (16, 1, 3, 3), {"groups": 8, "padding": 1}),
    "no pictures": ((0, 16, 5, 7), (24, 16, 1, 1), {}),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_gradients(case, dtype, layout):
    shape, kernel, settings = case
    generator = torch.Generator().manual_seed(0)
    x, weight = (torch.randn(s, generator=generator, dtype=torch.float64).to(dtype) for s in (shape, kernel))
    x = x.contiguous(memory_format=layout).requires_grad_()
    weight.requires_grad_()
    y = F.conv2d(x, weight, **settings)
    g = torch.empty_like(y).copy_(torch.randn(y.shape, generator=generator, dtype=torch.float64))
    ours = torch.autograd.grad(y, [x, weight], g)
    wide = [t.detach().double().requires_grad_() for t in (x, weight)]
    exact = torch.autograd.grad(torch.nn.functional.conv2d(*wide, **settings), wide, g.double())
    for grad, e in zip(ours, exact, strict=True):
        assert (grad.dtype, grad.shape) == (dtype, e.shape)
        largest = e.abs().max() if e.numel() else 0
        # Sums of a few hundred products are rounded once in half precision, and little in float32.
        unit = torch.finfo(dtype).eps
        bound = unit * (e.abs() if dtype == torch.bfloat16 else 16 * largest) + 1e-5 * unit**0.5
        assert ((grad.double() - e).abs() <= bound).all()
    if shape[1] > 1:
        assert ours[0].is_contiguous(memory_format=layout) or ours[0].numel() == 0
