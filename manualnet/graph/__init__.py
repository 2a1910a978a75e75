"""Computation graphs: any expression of manualnet's functions, with its values and gradients, drawn.

S59 of the lecture is f = (x + y) z at −2, 5, −4. Values flow forward; gradients flow back, and each node multiplies
the one from upstream by its local derivative:

>>> from manualnet.graph import trace
>>> def expression(x, y, z):
...     q = x + y
...     f = q * z
...     return f
>>> graph = trace(expression, x=-2, y=5, z=-4)
>>> print(graph)
node  operation  value  upstream  input  local  × upstream = downstream
────  ─────────  ─────  ────────  ─────  ─────  ───────────────────────
x     input      -2     -4
y     input      5      -4
z     input      -4     3
q     x + y      3      -4        x      1      -4
                                  y      1      -4
f     q × z      -12    1         q      -4     -4
                                  z      3      3

``graph["q"].local`` is known from the forward pass alone (S60), ``graph.backpropagate()`` gives the steps back,
``graph.draw()`` the picture, ``graph.draw(step)`` that of one step. A value used twice collects both gradients:

>>> def twice(a):
...     b = a + a
...     return b + b
>>> trace(twice, a=1.0)["a"].upstream.item()
4.0
"""

from manualnet.graph.backpropagation import Step
from manualnet.graph.graph import Edge, Graph, Node
from manualnet.graph.tracing import name, trace

__all__ = ["Edge", "Graph", "Node", "Step", "name", "trace"]
