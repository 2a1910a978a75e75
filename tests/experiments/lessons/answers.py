"""Answers to the exercises that are right but not written as ours are, and how an answer gets into its file."""

import textwrap

from experiments.lessons.exercises import EXERCISES, grade
from experiments.lessons.exercises.cut import YOUR_TURN, stub

LEFT_OUT = f'        raise NotImplementedError("{YOUR_TURN}")\n'


def answer(folder, name, code, after=""):
    """Write an answer in the place that was left for it."""
    path = folder / f"{name}.py"
    text = stub(EXERCISES[name].source)
    assert LEFT_OUT in text
    path.write_text(text.replace(LEFT_OUT, textwrap.indent(code, " " * 8) + "\n") + after, encoding="utf-8")
    return path


def graded(folder, name, code, after=""):
    answer(folder, name, code, after)
    [found] = grade(folder, [name])
    return found


RIGHT = {
    "sigmoid": "return grad_out * (y - y ** 2)",
    "tanh": "slope = 1 - y.pow(2)\nprint(slope)\nreturn slope * grad_out",
    "relu": "return grad_out * (x > 0).float(),",
    "squared_error": "return (x - target) * grad_out, (target - x) * grad_out, None",
    "prelu": "m = (x > 0).double()\nreturn grad_out * (m + (1 - m) * a), (grad_out * x * (1 - m)).sum()",
    "linear": "return grad_out.mm(weight), torch.einsum('nj,ni->ji', grad_out, x), torch.ones(len(x)).to(x) @ grad_out",
    "softmax": """
J = torch.diag_embed(p) - p.unsqueeze(-1) * p.unsqueeze(-2)
return (J @ grad_out.unsqueeze(-1)).squeeze(-1)""",
    "hinge_loss": """
g = torch.zeros_like(scores)
for i, y in enumerate(target.tolist()):
    for j in range(scores.shape[1]):
        if j != y and scores[i, j] - scores[i, y] + 1 > 0:
            g[i, j] += 1
            g[i, y] -= 1
return grad_out * g / scores.shape[0], None""",
    "cross_entropy": """
g = torch.softmax(scores, 1)
g = g.clone()
g[range(len(g)), target] -= 1
return g * (grad_out / len(g)), None""",
    "batch_norm": """
N, mu = x.shape[0], x.mean(0)
v = ((x - mu) ** 2).mean(0)
g = grad_out * weight
grad_v = (g * (x - mu)).sum(0) * -0.5 * (v + eps) ** -1.5
grad_mu = -g.sum(0) / torch.sqrt(v + eps)
grad_x = g / torch.sqrt(v + eps) + grad_v * 2 * (x - mu) / N + grad_mu / N
return grad_x, (grad_out * (x - mu) / torch.sqrt(v + eps)).sum(0), grad_out.sum(0), None""",
}
