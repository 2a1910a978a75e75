"""Several operations with one backward pass: what lies between them is not kept, and memory is read fewer times."""

from manualnet.functional.blocks.batch_norm_gelu import batch_norm_gelu
from manualnet.functional.blocks.batch_norm_relu import batch_norm_relu
from manualnet.functional.blocks.conv2d_max_pool2d import conv2d_max_pool2d

__all__ = ["batch_norm_gelu", "batch_norm_relu", "conv2d_max_pool2d"]
