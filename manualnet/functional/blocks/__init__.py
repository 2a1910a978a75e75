"""Several operations with one backward pass: what lies between them is not kept, and memory is read fewer times."""

from manualnet.functional.blocks.batch_norm_gelu import batch_norm_gelu

__all__ = ["batch_norm_gelu"]
