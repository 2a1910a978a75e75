"""The networks, each a function of a namespace: ``manualnet`` or ``manualnet.reference`` gives the gradients.

Every model takes pictures (N, 3, 32, 32) with mean 0 and deviation 1 a channel, and returns scores (N, 10); the
convolutional one takes smaller and larger pictures as well.
"""

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn

from experiments.training.config import Config
from experiments.training.errors import UsageError

CLASSES = 10
PIXELS = 3 * 32 * 32

ACTIVATIONS = {
    "relu": lambda ns: ns.nn.ReLU(),
    "leaky_relu": lambda ns: ns.nn.LeakyReLU(0.1),
    "prelu": lambda ns: ns.nn.PReLU(),
    "elu": lambda ns: ns.nn.ELU(),
    "gelu": lambda ns: ns.nn.GELU(),
    "sigmoid": lambda ns: ns.nn.Sigmoid(),
    "tanh": lambda ns: ns.nn.Tanh(),
    "step": lambda ns: ns.nn.Step(),
    "identity": lambda ns: ns.nn.Identity(),
}


# One operation with the batch normalisation before it.
FUSED = {"gelu": "BatchNormGELU", "relu": "BatchNormReLU"}

POOLINGS = {
    "max": lambda ns, size: ns.nn.MaxPool2d(size),
    "average": lambda ns, size: ns.nn.AvgPool2d(size),
    "stochastic": lambda ns, size: ns.nn.StochasticPool2d(size),
}


class GlobalPool(nn.Module):
    """The whole map as one window of a pooling layer, whatever the pictures' size."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        self.layer.kernel_size = x.shape[2:]
        return self.layer(x)


def build(ns, config: Config) -> nn.Module:
    """The network that ``config`` describes, with the gradients of ``ns``."""
    return MODELS[config.model](ns, config)


class Residual(nn.Module):
    """x + block(x), where training drops the block of an example with probability p (S30)."""

    def __init__(self, ns, block: nn.Module, p: float):
        super().__init__()
        self.block, self.add = block, ns.functional.add
        self.drop = ns.nn.StochasticDepth(p, "row") if p else ns.nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.add(x, self.drop(self.block(x)))


class Scale(nn.Module):
    """x · factor, with a factor that is not trained."""

    def __init__(self, ns, factor: float):
        super().__init__()
        self.factor, self.mul = factor, ns.functional.mul

    def forward(self, x: Tensor) -> Tensor:
        return self.mul(x, self.factor)


def linear(ns, config: Config) -> nn.Module:
    """Scores as weighted sums of the pixels (S21)."""
    return ns.nn.Sequential(ns.nn.Flatten(), ns.nn.Linear(PIXELS, CLASSES))


def two_layer(ns, config: Config) -> nn.Module:
    """One hidden layer (S3)."""
    return _perceptron(ns, config, depth=1)


def mlp(ns, config: Config) -> nn.Module:
    """Several hidden layers of one width."""
    return _perceptron(ns, config, depth=config.depth)


def _perceptron(ns, config: Config, depth: int) -> nn.Module:
    layers = [ns.nn.Flatten()]
    for i in range(depth):
        inputs = PIXELS if i == 0 else config.width
        if config.activation == "maxout":  # holds its own weights
            block = [ns.nn.Maxout(inputs, config.width)]
            if config.batch_norm:
                block.append(ns.nn.BatchNorm1d(config.width))
        else:
            weighted = ns.nn.Linear(inputs, config.width, bias=not config.batch_norm)
            block = [weighted, *_activated(ns, config, ns.nn.BatchNorm1d, lambda norm: norm(config.width))]
        if config.dropout:
            block.append(ns.nn.Dropout(config.dropout))
        if config.stochastic_depth and i > 0:
            layers.append(Residual(ns, ns.nn.Sequential(*block), config.stochastic_depth))
        else:
            layers.extend(block)
    return ns.nn.Sequential(*layers, ns.nn.Linear(config.width, CLASSES))


def _activated(
    ns, config: Config, norm: type[nn.Module], made: Callable[[type[nn.Module]], nn.Module]
) -> list[nn.Module]:
    """A hidden layer's activation, with the ``norm`` before it, ``made`` for its width, if that is asked for."""
    if config.batch_norm and config.fused and config.activation in FUSED:
        # Identity keeps the numbers, and with them the state's names, of the unfused layers.
        return [made(getattr(ns.nn, FUSED[config.activation])), ns.nn.Identity()]
    return [*([made(norm)] if config.batch_norm else []), ACTIVATIONS[config.activation](ns)]


class ConvNet(nn.Module):
    """A small fast network after Keller Jordan's airbench94 (arXiv 2404.00498).

    The first layer whitens 2×2 patches and is not trained (but for its bias). Three groups of two or more convolutions
    follow, with pooling after the first of each; of three or more, those after the first are a residual block. Last
    come pooling of what is left and one linear layer. Pictures of any size from 9×9 pixels do: of 32×32 pixels 3×3 are
    left.
    """

    def __init__(self, ns, config: Config):
        super().__init__()
        if config.activation == "maxout":
            raise UsageError("--activation maxout needs linear layers: use --model mlp or two_layer")
        nn_ = ns.nn
        self.whiten = nn_.Conv2d(3, 24, 2)
        self.whiten.weight.requires_grad_(False)
        self.activation = ACTIVATIONS[config.activation](ns)
        channels = [24, config.width // 4, config.width, config.width]
        self.groups = nn_.Sequential(*[self._group(ns, c, o, config) for c, o in pairwise(channels)])
        self.tail = nn_.Sequential(
            GlobalPool(POOLINGS[config.pooling](ns, 3)),
            nn_.Flatten(),
            *([nn_.Dropout(config.dropout)] if config.dropout else []),
            nn_.Linear(config.width, CLASSES, bias=False),
            Scale(ns, 1 / config.width),
        )
        # Scores start with deviation 1 over the width.
        head = self.tail[-2].weight.data
        head.div_(head.std())
        first = [p for p in self.groups[0].parameters() if p.requires_grad]
        self._freezes = [([self.whiten.bias], min(config.freeze_whitening, config.freeze)), (first, config.freeze)]
        self.to(memory_format=torch.channels_last)

    @staticmethod
    def _group(ns, channels: int, out: int, config: Config) -> nn.Module:
        def stage(c: int, pooled: bool = False) -> list[nn.Module]:
            settings = {"padding": 1, "bias": not config.batch_norm}
            if pooled and config.pooling == "max" and config.fused:
                # Identity as above, in the pooling's place.
                conv, pool = ns.nn.Conv2dMaxPool2d(c, out, 3, pool_size=2, **settings), [ns.nn.Identity()]
            else:
                conv = ns.nn.Conv2d(c, out, 3, **settings)
                pool = [POOLINGS[config.pooling](ns, 2)] if pooled else []
            # The first filters copy their channel, so that the network starts near the identity.
            torch.nn.init.dirac_(conv.weight.data[:c])
            return [conv, *pool, *_activated(ns, config, ns.nn.BatchNorm2d, lambda norm: without_scale(norm, out))]

        inner = [layer for _ in range(config.convolutions - 1) for layer in stage(out)]
        # What may be dropped needs a way around it; several convolutions have one as in Keller Jordan's airbench96.
        if inner and (config.convolutions > 2 or config.stochastic_depth):
            inner = [Residual(ns, ns.nn.Sequential(*inner), config.stochastic_depth)]
        return ns.nn.Sequential(*stage(channels, pooled=True), *inner)

    def forward(self, x: Tensor) -> Tensor:
        return self.tail(self.groups(self.activation(self.whiten(x))))

    @torch.no_grad()
    def prepare(self, images: Tensor) -> None:
        """Set the first layer so that 2×2 patches of ``images`` come out uncorrelated and of one size.

        The 12 eigenvectors of the patches' covariance, each over the root of its eigenvalue, and their negatives.
        """
        patches = images.double().unfold(2, 2, 1).unfold(3, 2, 1).permute(0, 2, 3, 1, 4, 5).reshape(-1, 12)
        values, vectors = torch.linalg.eigh(patches.t() @ patches / len(patches))
        filters = (vectors / (values + 5e-4).sqrt()).t().flip(0).reshape(12, 3, 2, 2)
        self.whiten.weight.copy_(torch.cat([filters, -filters]))
        self.whiten.bias.zero_()

    def progress(self, done: float) -> None:
        """Early layers settle first; fixed, they spare their own gradients and the ∂L/∂x of the layer that follows."""
        for parameters, end in self._freezes:
            for p in parameters:
                p.requires_grad_(done < end)


def without_scale(batch_norm: Callable[..., nn.Module], channels: int) -> nn.Module:
    """Batch normalisation whose scale stays 1: the next layer can scale as well."""
    norm = batch_norm(channels, eps=1e-12, momentum=0.4)
    norm.weight.requires_grad_(False)
    return norm


def convnet(ns, config: Config) -> nn.Module:
    """Convolutions, pooling and batch normalisation: see :class:`ConvNet`."""
    return ConvNet(ns, config)


MODELS: dict[str, Callable[..., nn.Module]] = {
    "linear": linear,
    "two_layer": two_layer,
    "mlp": mlp,
    "convnet": convnet,
}
