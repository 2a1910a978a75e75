"""Where to compute, and in which number type."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from experiments.training.errors import UsageError
from manualnet.native.call import multiplies_bfloat16


def pick_device(name: str) -> torch.device:
    """``auto`` takes a GPU if there is one."""
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        name = next(kind for kind in ("cuda", "mps", "cpu") if available[kind])
    if not available[name]:
        has = ", ".join(kind for kind, there in available.items() if there)
        raise UsageError(f"--device {name}: this machine has none that PyTorch can use; it has {has}")
    return torch.device(name)


def pick_precision(name: str, device: torch.device) -> str:
    """``auto`` takes bfloat16 where the processor multiplies in it, float32 elsewhere."""
    if name == "float64" and device.type == "mps":
        raise UsageError("--precision float64: an Apple GPU has no float64; use --device cpu or another precision")
    if name != "auto":
        return name
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    elif device.type == "cpu":
        fast = multiplies_bfloat16()
    else:
        fast = False
    return "bfloat16" if fast else "float32"


def storage_dtype(precision: str) -> torch.dtype:
    """The type of pictures and activations."""
    return getattr(torch, precision)


def weight_dtype(precision: str) -> torch.dtype:
    """The type of weights: under autocast they stay float32, so that small steps are not rounded away."""
    return torch.float32 if precision == "bfloat16" else getattr(torch, precision)


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """Products in bfloat16, losses in float32; nothing at all in the other precisions."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")


@contextmanager
def fast_products(device: torch.device) -> Iterator[None]:
    """On a CPU, float32 convolutions may round a little more where that takes half the time."""
    before = torch.get_float32_matmul_precision()
    if device.type == "cpu":
        torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
