"""What the tests of compiled code share."""

from contextlib import contextmanager

import pytest
import torch

from manualnet.native import build

compiled = pytest.mark.skipif(not build.available(), reason="no C compiler here")
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
LAYOUTS = {
    "contiguous": lambda t: t.contiguous(),
    "channels last": lambda t: t.contiguous(memory_format=torch.channels_last),
    "transposed": lambda t: t.permute(3, 1, 0, 2).contiguous().permute(2, 1, 3, 0),
}


def tiles_compiled():
    """Whether the compiler knows the processor's tiles: it may be told to leave them."""
    return hasattr(build.load("numbers.h", "tiles.h", "conv2d_weight_tiles.c"), "conv2d_weight_tiles")


def normal(*shape, seed=0, dtype=torch.float32):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def threaded(shapes, twice):
    """Every shape with one thread, and those named with two: on a busy machine threads wait long for each other."""
    cases = [(shape, 1, name) for name, shape in shapes.items()] + [(shapes[name], 2, name) for name in twice]
    return pytest.mark.parametrize(("shape", "threads"), [pytest.param(s, t, id=f"{n}, {t}") for s, t, n in cases])


@contextmanager
def using(threads):
    """Only what is tested runs in threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def counted(monkeypatch, module, name):
    """Replace a function of a module by itself, and keep what it returned."""
    function, returned = getattr(module, name), []

    def counting(*args, **kwargs):
        returned.append(function(*args, **kwargs))
        return returned[-1]

    monkeypatch.setattr(module, name, counting)
    return returned


def in_other_layouts(weight):
    """The same kernels (O, C, height, width), lying otherwise in memory."""
    yield weight.contiguous()
    yield weight.transpose(0, 1).contiguous().transpose(0, 1)
    yield weight.flip(2, 3).flip(2, 3)
    yield torch.stack([weight, weight], -1)[..., 0]
