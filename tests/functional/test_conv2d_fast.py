"""Convolutions that are matrix products, and those of several groups, have the gradients of their definition."""

import pytest
import torch

from manualnet import functional as F
from manualnet.functional.layers import _conv2d_fast as fast
from manualnet.native import conv2d_depthwise
from manualnet.native.build import available, load
from manualnet.native.call import multiplies_tiles

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


# For each case what computes the weight's gradient, and how often.
WAYS = {
    "a kernel of one pixel": {"_grad_weight_of_pixels": 1, "_grad_x_of_pixels": 1},
    "of every second pixel": {"_grad_weight_of_pixels": 1},
    "of some pixels": {"_grad_weight_of_pixels": 1},
    "dilated, which changes nothing": {"_grad_weight_of_pixels": 1, "_grad_x_of_pixels": 1},
    "with padding": {"_grad_weight_chunked": 1},
    "one pixel, two groups": {"_grad_weight_of_pixels": 2},
    "groups of many": {"_grad_weight_chunked": 2},
    "groups of few": {},
    "two outputs a channel": {},
    "no pictures": {"_grad_weight_chunked": 1},
}


@pytest.mark.parametrize("case", WAYS)
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_which_way_is_taken(monkeypatch, case, layout):
    """In double precision, which nothing compiled is for."""
    shape, kernel, settings = CASES[case]
    taken = {}

    def counting(name, function):
        def run(*args):
            result = function(*args)
            if result is not None:
                taken[name] = taken.get(name, 0) + 1
            return result

        return run

    for name in ("_grad_weight_of_pixels", "_grad_x_of_pixels", "_grad_weight_chunked"):
        monkeypatch.setattr(fast, name, counting(name, getattr(fast, name)))
    x = torch.randn(shape, dtype=torch.float64).contiguous(memory_format=layout).requires_grad_()
    weight = torch.randn(kernel, dtype=torch.float64, requires_grad=True)
    y = F.conv2d(x, weight, **settings)
    torch.autograd.grad(y, [x, weight], torch.ones_like(y))
    assert taken == WAYS[case]


@pytest.mark.skipif(not available(), reason="no C compiler here")
def test_channels_apart_are_compiled(monkeypatch):
    returned = []

    def keeping(*args, function=conv2d_depthwise.conv2d_weight):
        returned.append(function(*args))
        return returned[-1]

    monkeypatch.setattr(conv2d_depthwise, "conv2d_weight", keeping)
    x, weight = torch.randn(5, 8, 9, 8), torch.randn(8, 1, 3, 3, requires_grad=True)
    y = F.conv2d(x, weight, groups=8)
    (grad,) = torch.autograd.grad(y, weight, torch.ones_like(y))
    assert returned[0] is grad


GROUPS = {
    "padding": {"padding": 1},
    "padding of one axis": {"padding": (0, 1)},
    "dilation": {"dilation": (1, 2), "padding": (2, 0)},
}


@pytest.mark.parametrize("settings", GROUPS.values(), ids=GROUPS)
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_kernels_of_groups_are_turned_round(settings, layout, dtype):
    x = torch.randn(6, 12, 21, 23).to(dtype).contiguous(memory_format=layout).requires_grad_()
    weight = torch.randn(18, 4, 3, 2).to(dtype)
    y = F.conv2d(x, weight, groups=3, **settings)
    g = torch.randn_like(y)
    geometry = [settings.get(name, default) for name, default in (("stride", 1), ("padding", 0), ("dilation", 1))]
    geometry = [(n, n) if isinstance(n, int) else n for n in geometry]
    assert fast._grad_x_of_groups(g, weight, *geometry, 3) is None, "few are not worth it"
    g, x = g.repeat(2, 1, 1, 1).contiguous(memory_format=layout), x.detach().repeat(2, 1, 1, 1)
    assert g.numel() >= fast._LARGE
    grad = fast._grad_x_of_groups(g, weight, *geometry, 3)
    exact = torch.nn.grad.conv2d_input(x.shape, weight.double(), g.double(), *geometry, 3)
    torch.testing.assert_close(grad.double(), exact, rtol=torch.finfo(dtype).eps, atol=1e-4)
    assert grad.is_contiguous(memory_format=layout)


@pytest.mark.parametrize(
    ("case", "turned"),
    [
        ({}, True),
        ({"stride": (1, 2)}, False),
        ({"padding": (3, 1)}, False),
        ({"dtype": torch.float64}, False),
        ({"dtype": torch.bfloat16}, True),
        ({"dtype": torch.float16}, False),
        ({"channels": 8}, True),
        ({"channels": 9}, False),
        ({"channels": 16, "layout": torch.channels_last}, True),
        ({"channels": 17, "layout": torch.channels_last}, False),
        ({"channels": 8, "layout": torch.channels_last, "dtype": torch.bfloat16}, True),
        ({"channels": 9, "layout": torch.channels_last, "dtype": torch.bfloat16}, False),
    ],
    ids=str,
)
def test_which_kernels_are_turned_round(case, turned):
    usual = {"stride": (1, 1), "padding": (1, 1), "dilation": (1, 1), "dtype": torch.float32, "channels": 4}
    *geometry, dtype, channels, layout = (usual | {"layout": torch.contiguous_format} | case).values()
    g = torch.zeros(8, 8, 32, 32, dtype=dtype).contiguous(memory_format=layout)
    weight = torch.zeros(8, channels, 3, 3, dtype=dtype)
    assert (fast._grad_x_of_groups(g, weight, *geometry, 2) is not None) == turned


@pytest.mark.skipif(not available(), reason="no C compiler here")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("case", ["groups of few", "groups of many", "one pixel, two groups", "two outputs a channel"])
def test_groups_are_taken_together(monkeypatch, dtype, case):
    returned = []

    def keeping(*args, function=fast.native.conv2d_weight):
        returned.append(function(*args))
        return returned[-1]

    monkeypatch.setattr(fast.native, "conv2d_weight", keeping)
    shape, kernel, settings = CASES[case]
    x, weight = torch.randn(shape).to(dtype), torch.randn(kernel).to(dtype).requires_grad_()
    y = F.conv2d(x, weight, **settings)
    (grad,) = torch.autograd.grad(y, weight, torch.ones_like(y))
    assert len(returned) == 1
    assert returned[0] is grad


@pytest.mark.skipif(not available(), reason="no C compiler here")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_pixels_that_lie_one_after_another_are_summed_by_what_is_compiled(monkeypatch, dtype, layout):
    returned = []

    def keeping(*args, function=fast.native.conv2d_weight):
        returned.append(function(*args))
        return returned[-1]

    monkeypatch.setattr(fast.native, "conv2d_weight", keeping)
    x = torch.randn(6, 16, 9, 8).to(dtype).contiguous(memory_format=layout)
    weight = torch.randn(8, 16, 1, 1).to(dtype).requires_grad_()
    y = F.conv2d(x, weight)
    (grad,) = torch.autograd.grad(y, weight, torch.ones_like(y))
    assert [r is grad for r in returned] == ([True] if layout is torch.channels_last else [])


@pytest.mark.parametrize(
    ("shape", "channels", "product"),
    [
        ((4, 64, 32, 32), 64, False),
        ((4, 64, 32, 31), 64, True),
        ((4, 63, 32, 32), 64, True),
        ((4, 64, 32, 32), 63, True),
    ],
)
def test_of_which_pixels_the_input_gradient_is_a_product(shape, channels, product):
    g, weight = torch.randn(shape), torch.randn(shape[1], channels, 1, 1)
    expected = torch.conv_transpose2d(g, weight)
    for layout in LAYOUTS.values():
        grad = fast._grad_x_of_pixels(g.contiguous(memory_format=layout), weight, (1, 1), (0, 0))
        assert (grad is None) == (layout is torch.channels_last and not product)
        if grad is not None:
            torch.testing.assert_close(grad, expected)


def test_what_a_matrix_multiplies_pixel_by_pixel():
    x = torch.randn(3, 16, 5, 6)
    assert fast._pixelwise(x, (1, 1), (0, 0))
    for kernel, padding in (((1, 2), (0, 0)), ((1, 1), (0, 1)), ((1, 1), (1, 0))):
        assert not fast._pixelwise(x, kernel, padding)
    assert fast._pixelwise(torch.ones(1, 1, 1, 1), (1, 1), (0, 0))
    assert not fast._pixelwise(x[:0], (1, 1), (0, 0))


@pytest.mark.parametrize(
    ("dtype", "layout"),
    [
        (torch.float32, torch.channels_last),
        (torch.bfloat16, torch.channels_last),
        (torch.bfloat16, torch.contiguous_format),
    ],
)
@pytest.mark.parametrize("way", ["conv2d", "conv2d_max_pool2d"])
def test_the_bias_of_many_pixels(monkeypatch, dtype, layout, way):
    summed, ran = fast.product_sums, []

    def counting(*args):
        ran.append(args)
        return summed(*args)

    monkeypatch.setattr(fast, "product_sums", counting)
    monkeypatch.setattr(fast, "_MANY", 1 << 14)
    monkeypatch.setattr(fast, "_HALVES", 1 << 14)
    x = torch.randn(50, 2, 18, 18).to(dtype).contiguous(memory_format=layout)
    weight, bias = torch.randn(24, 2, 3, 3).to(dtype), torch.zeros(24, dtype=dtype, requires_grad=True)
    y = getattr(F, way)(x, weight, bias)
    g = torch.randn_like(y)
    (grad,) = torch.autograd.grad(y, bias, g)
    assert len(ran) == 1
    assert grad.dtype == dtype
    exact, size = g.double().sum((0, 2, 3)), g.double().abs().sum((0, 2, 3))
    assert ((grad.double() - exact).abs() <= torch.finfo(dtype).eps * exact.abs() + 1e-6 * size).all()
    (grad,) = torch.autograd.grad(getattr(F, way)(x[:1], weight, bias), bias, g[:1])
    torch.testing.assert_close(grad, g[:1].sum((0, 2, 3)))
    # Where the gradient is to be differentiated once more it is the formula's.
    (grad,) = torch.autograd.grad(getattr(F, way)(x, weight, bias), bias, g.requires_grad_(), create_graph=True)
    assert (torch.autograd.grad(grad.sum(), g)[0] == 1).all()
    assert len(ran) == 1
    monkeypatch.setattr(fast, "product_sums", lambda *args: torch.arange(24.0))
    (grad,) = torch.autograd.grad(getattr(F, way)(x, weight, bias), bias, g.detach())
    assert torch.equal(grad, torch.arange(24, dtype=dtype))


@pytest.mark.skipif(not available(), reason="no C compiler here")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("kernel", [(24, 6, 3, 3), (24, 6, 1, 2), (24, 6, 2, 1), (24, 6, 1, 1), (24, 3, 3, 3)], ids=str)
@pytest.mark.parametrize("needs", [(True, True), (True, False), (False, True)], ids=str)
def test_the_bias_beside_the_weight(monkeypatch, dtype, layout, kernel, needs):
    tiles = load("numbers.h", "tiles.h", "conv2d_weight_tiles.c")
    if dtype == torch.bfloat16 and not (multiplies_tiles() and hasattr(tiles, "conv2d_weight_tiles")):
        pytest.skip("tiles are not multiplied here")
    function, returned = fast.grad_weight_and_bias, []

    def keeping(*args):
        returned.append(function(*args))
        return returned[-1]

    monkeypatch.setattr(fast, "grad_weight_and_bias", keeping)
    x = torch.randn(20, 6, 9, 9).to(dtype).contiguous(memory_format=layout)
    leaves = [torch.randn(kernel).to(dtype), torch.randn(24).to(dtype)]
    leaves = [leaf.requires_grad_(need) for leaf, need in zip(leaves, needs, strict=True)]
    y = F.conv2d(x, *leaves, groups=6 // kernel[1])
    g = torch.randn_like(y)
    wanted = [leaf for leaf in leaves if leaf.requires_grad]
    grads = torch.autograd.grad(y, wanted, g, retain_graph=True)
    others, planes = kernel[1] == 3, layout is torch.contiguous_format
    if all(needs):
        assert (returned[0] is None) == (others or (planes and kernel[2:] == (1, 1)))
        assert returned[0] is None or all(a is b for a, b in zip(returned[0], grads, strict=True))
    else:
        assert returned == []
    wide = [leaf.detach().double().requires_grad_(leaf.requires_grad) for leaf in leaves]
    exact = torch.nn.functional.conv2d(x.double(), *wide, groups=6 // kernel[1])
    wanted = [leaf for leaf in wide if leaf.requires_grad]
    for grad, expected in zip(grads, torch.autograd.grad(exact, wanted, g.double()), strict=True):
        torch.testing.assert_close(grad.double(), expected, rtol=2**-8 if dtype == torch.bfloat16 else 1e-5, atol=1e-3)


@pytest.mark.skipif(not available(), reason="no C compiler here")
def test_where_another_way_sums_the_weight_the_bias_is_apart(monkeypatch):
    x, g = (torch.randn(4, 64, 9, 9).contiguous(memory_format=torch.channels_last) for _ in range(2))
    settings = torch.Size((64, 64, 3, 3)), (1, 1), (1, 1), (1, 1), 1
    assert fast.grad_weight_and_bias(g, x, *settings) is not None
    monkeypatch.setattr(fast.winograd, "suits", lambda *args, many: many)
    assert fast.grad_weight_and_bias(g, x, *settings) is None
    assert fast.grad_weight_and_bias(g[..., ::2], x, settings[0], (1, 2), *settings[2:]) is not None
    assert fast.grad_weight_and_bias(g.double(), x.double(), *settings) is None


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("kernel", [(40, 24, 3, 3), (40, 24, 1, 1)], ids=str)
def test_large_kernels_are_a_matrix_product(monkeypatch, dtype, kernel):
    ran = []
    monkeypatch.setattr(fast.native, "conv2d_weight", lambda *args, **_: ran.append(args))
    x = torch.randn(3, 24, 9, 9).to(dtype).contiguous(memory_format=torch.channels_last)
    side = 11 if kernel[2] == 1 else 7
    g = torch.randn(3, 40, side, side).to(dtype).contiguous(memory_format=torch.channels_last)
    rest = torch.Size(kernel), (1, 1), (1, 1) if kernel[2] == 1 else (0, 0), (1, 1), 1
    for size, large in ((fast._VAST, False), (rest[0].numel() + 1, False), (rest[0].numel(), True)):
        monkeypatch.setattr(fast, "_VAST", size)
        ran.clear()
        grad = fast.grad_weight(g, x, *rest)
        both = fast.grad_weight_and_bias(g, x, *rest)
        assert both is None
        assert len(ran) == (0 if large and dtype == torch.float32 else 2)
        exact = torch.nn.grad.conv2d_weight(x.double(), rest[0], g.double(), *rest[1:])
        torch.testing.assert_close(grad.double(), exact, rtol=2**-8 if dtype == torch.bfloat16 else 1e-5, atol=1e-3)


def test_which_kernels_are_large():
    x = torch.zeros(1)
    assert fast._vast(x, torch.Size((1 << 9, 1 << 9, 2, 4)))
    assert not fast._vast(x, torch.Size(((1 << 21) - 1, 1, 1, 1)))
    assert not fast._vast(x.bfloat16(), torch.Size((1 << 21, 1, 1, 1)))


def test_of_how_many_pixels_the_bias_is_compiled(monkeypatch):
    monkeypatch.setattr(fast, "product_sums", lambda *args: torch.zeros(16))
    g = torch.zeros(32, 16, 64, 64).contiguous(memory_format=torch.channels_last)
    assert g.numel() == 1 << 21
    assert fast.grad_bias(g) is not None
    assert fast.grad_bias(g[:31]) is None
    assert fast.grad_bias(g.contiguous()) is None
    planes = torch.zeros(32, 128, 8, 8)
    assert planes.numel() == 1 << 18
    assert fast.grad_bias(planes) is None
    assert fast.grad_bias(planes.bfloat16()) is not None
    assert fast.grad_bias(planes[:31].bfloat16()) is None
    assert fast.grad_bias(torch.zeros(64, 128, 7, 9).bfloat16()) is None


def test_what_computes_convolutions_of_a_type(monkeypatch):
    half, single = torch.zeros(1).bfloat16(), torch.zeros(1)
    for multiplies, ways in ((True, (fast.tiles, fast.winograd)), (False, (fast.winograd, fast.winograd))):
        monkeypatch.setattr(fast, "multiplies_tiles", lambda multiplies=multiplies: multiplies)
        assert (fast._by(half), fast._by(single)) == ways


def test_a_product_of_pixels_comes_first(monkeypatch):
    found = torch.zeros(1)
    monkeypatch.setattr(fast, "_grad_x_of_pixels", lambda *args: found)
    geometry = (1, 1), (0, 0), (1, 1), 1
    assert fast.grad_x(torch.zeros(1, 2, 3, 3), torch.zeros(2, 4, 1, 1), *geometry) is found


OTHERS = {"stride": (1, 2), "dilation": (2, 1), "groups": 2}


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("tiled", [True, False])
def test_what_is_compiled_for_usual_convolutions_sees_no_others(monkeypatch, other, tiled):
    called = []
    monkeypatch.setattr(fast, "multiplies_tiles", lambda: tiled)
    for module, names in (
        (fast.tiles, ("conv2d", "conv2d_max_pool2d", "conv2d_input")),
        (fast.winograd, ("conv2d", "conv2d_input", "conv2d_weight")),
    ):
        for name in names:
            monkeypatch.setattr(module, name, lambda *args, name=name: called.append(name))
    dtype = torch.bfloat16 if tiled else torch.float32
    x = torch.zeros(4, 8, 12, 12, dtype=dtype)
    usual = {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1), "groups": 1}

    def run(**settings):
        geometry = (usual | settings).values()
        weight = torch.zeros(8, 8 // settings.get("groups", 1), 3, 3, dtype=dtype)
        g = torch.nn.functional.conv2d(x, weight, None, *geometry)
        with torch.no_grad():
            fast.forward(x, weight, None, *geometry)
            fast.forward_pooled(x, weight, None, *geometry)
            fast.grad_x(g, weight, *geometry)
            fast.grad_x_pooled(g, weight, *geometry, None)
            fast.grad_weight(g, x, weight.shape, *geometry)

    run(**{other: OTHERS[other]})
    assert called == []
    run()
    pooled = ["conv2d_max_pool2d"] if tiled else []
    assert called == ["conv2d", *pooled, "conv2d_input", "conv2d_input", "conv2d_weight"]


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_second_derivatives_go_by_what_is_recorded(layout, dtype):
    generator = torch.Generator().manual_seed(0)
    shapes = (5, 8, 9, 8), (8, 8, 3, 3), (8,)
    x, weight, bias = (torch.randn(s, generator=generator, dtype=dtype).requires_grad_() for s in shapes)
    results = []
    for function in (F.conv2d, torch.nn.functional.conv2d):
        y = function(x.contiguous(memory_format=layout), weight, bias, padding=1)
        first = torch.autograd.grad(y.square().sum(), (x, weight, bias), create_graph=True)
        results.append(torch.autograd.grad(sum(g.square().sum() for g in first), (x, weight, bias)))
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4 * theirs.abs().max().item())


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize(
    "gaps",
    [lambda g: g[:1, :1, :1, :1].expand(g.shape), lambda g: torch.stack([g, g * torch.nan], -1)[..., 0]],
    ids=["one number", "every other"],
)
@pytest.mark.parametrize("needs", [(True, True), (True, False), (False, True)], ids=["both", "input", "weight"])
@pytest.mark.parametrize(
    ("kernel", "groups"), [((8, 16, 1, 1), 1), ((16, 1, 3, 3), 16), ((8, 16, 3, 3), 1)], ids=["pixel", "apart", "3 x 3"]
)
def test_a_cotangent_with_gaps_is_laid_out_once(monkeypatch, layout, needs, kernel, groups, gaps):
    x = torch.randn(4, 16, 16, 16, generator=torch.Generator().manual_seed(0)).contiguous(memory_format=layout)
    weight = torch.randn(kernel, generator=torch.Generator().manual_seed(0)).contiguous(memory_format=layout)
    inputs = [t.requires_grad_() for t, needed in zip((x, weight), needs, strict=True) if needed]
    y = F.conv2d(x, weight, groups=groups)
    g = gaps(torch.randn(y.shape, generator=torch.Generator().manual_seed(1)))
    dense = torch.empty_like(y).copy_(g)
    expected = torch.autograd.grad(y, inputs, dense, retain_graph=True)
    laid = []
    lay = fast.laid_out
    monkeypatch.setattr(fast, "laid_out", lambda *tensors: laid.append(lay(*tensors)) or laid[-1])
    actual = torch.autograd.grad(y, inputs, g)
    assert len(laid) == 1
    # Only the input, which the weight's gradient needs, tells how it lies.
    assert laid[0].is_contiguous(memory_format=layout) or not needs[1]
    torch.testing.assert_close(actual, expected, rtol=0, atol=0)


def test_a_bias_alone_takes_a_cotangent_with_gaps():
    x, weight, bias = torch.ones(2, 3, 5, 5), torch.ones(4, 3, 3, 3), torch.zeros(4, requires_grad=True)
    F.conv2d(x, weight, bias).sum().backward()
    assert bias.grad.tolist() == [18.0] * 4
