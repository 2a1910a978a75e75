"""Computation graphs."""

from experiments.lessons.row import row
from experiments.lessons.work import Work
from manualnet import functional as F


@row(59, "f = (x + y) z", F.add, F.mul)
def s59(work: Work) -> None:
    r"""At x = −2, y = 5, z = −4. Forward, q = x + y = 3 and f = q z = −12. Backward,

    ```math
    \frac{\partial f}{\partial z} = q = 3, \qquad \frac{\partial f}{\partial q} = z = -4, \qquad
    \frac{\partial f}{\partial x} = \frac{\partial f}{\partial q} \frac{\partial q}{\partial x} = -4, \qquad
    \frac{\partial f}{\partial y} = -4
    ```

    ```python
    >>> import torch
    >>> from manualnet import functional as F
    >>> x, y, z = (torch.tensor(v, requires_grad=True) for v in (-2.0, 5.0, -4.0))
    >>> f = F.mul(F.add(x, y), z)
    >>> f.backward()
    >>> f.item(), x.grad.item(), y.grad.item(), z.grad.item()
    (-12.0, -4.0, -4.0, 3.0)
    ```
    """


@row(60, "Two flows")
def s60(work: Work) -> None:
    r"""At each node, downstream gradient = upstream gradient × local derivative. The values,
    and with them the local derivatives, flow forward and need no loss; the gradients flow back from it. A value used twice
    collects both gradients: x · x at 3 has the slope 3 + 3 = 6.
    """
    # manualnet/functional: manualnet/functional
    # #: every `Function` in [manualnet/functional](../manualnet/functional) is such a node. Graphs drawn with their values and gradients are not in the code yet.


@row(61, "Hands-on exercise")
def s61(work: Work) -> None:
    r"""As an exercise that hides its answer until asked, not in the code yet. The two networks
    below can be computed by hand.
    """
