"""Classic slips in each exercise: what is written in the place of the answer, the property that has to name it, and
words of the hint that belongs to it."""

WRONG = {
    "sigmoid": {
        "sign": ("return -grad_out * y * (1 - y)", "gradient", "1/u"),
        "no upstream": ("return y * (1 - y)", "gradient", "chain rule"),
        "factor": ("return 2 * grad_out * y * (1 - y)", "gradient", "1/u"),
        "slope of y": ("return grad_out * torch.sigmoid(y) * (1 - torch.sigmoid(y))", "gradient", "1/u"),
        "overflow": (
            "x = torch.log(y / (1 - y))\nreturn grad_out * torch.exp(-x) / (1 + torch.exp(-x)) ** 2",
            "extremes",
            "overflows",
        ),
        "summed": ("return (grad_out * y * (1 - y)).sum().expand(2, 7)", "gradient form", "shape"),
        "two gradients": ("return grad_out * y * (1 - y), grad_out", "gradient form", "one gradient"),
        "autograd": (
            "x = torch.logit(y).requires_grad_()\n"
            "with torch.enable_grad():\n    return torch.autograd.grad(torch.sigmoid(x), x, grad_out)[0]",
            "hand written",
            "by hand",
        ),
        "kernel": ("return torch.ops.aten.sigmoid_backward(grad_out, y)", "hand written", "by hand"),
        "view": ("return (grad_out.view(-1) * (y * (1 - y)).view(-1)).view(y.shape)", "strides", ".reshape"),
        "in place": ("grad_out *= y * (1 - y)\nreturn grad_out", "nothing mutated", "in place"),
    },
    "tanh": {
        "sign": ("return grad_out * (y * y - 1)", "gradient", "quotient rule"),
        "no square": ("return grad_out * (1 - y)", "gradient", "quotient rule"),
        "no upstream": ("return 1 - y * y", "gradient", "chain rule"),
        "sigmoid's": ("return grad_out * y * (1 - y)", "gradient", "quotient rule"),
        "overflow": ("return grad_out / torch.cosh(torch.atanh(y)) ** 2 + 0 * torch.atanh(y)", "extremes", "overflows"),
        "kernel": ("return torch.ops.aten.tanh_backward(grad_out, y)", "hand written", "by hand"),
    },
    "relu": {
        "sign": ("return -torch.where(x > 0, grad_out, 0)", "gradient", "two pieces"),
        "other side": ("return torch.where(x < 0, grad_out, 0)", "gradient", "two pieces"),
        "passes all": ("return grad_out", "gradient", "two pieces"),
        "the value": ("return grad_out * x.clamp(min=0)", "gradient", "two pieces"),
        "kink from above": ("return torch.where(x >= 0, grad_out, 0)", "kinks", "include 0"),
        "kink in the middle": ("return grad_out * (1 + x.sign()) / 2", "kinks", "include 0"),
        "kernel": ("return torch.ops.aten.threshold_backward(grad_out, x, 0)", "hand written", "by hand"),
    },
    "squared_error": {
        "sign of x": ("return grad_out * (target - x), grad_out * (target - x)", "gradient", "one term of the sum"),
        "sign of t": ("return grad_out * (x - target), grad_out * (x - target)", "gradient", "t grows"),
        "no half": (
            "return grad_out * 2 * (x - target), -2 * grad_out * (x - target)",
            "gradient",
            "the 2 of the square",
        ),
        "a mean": (
            "g = grad_out * (x - target) / max(1, x.numel())\nreturn g, -g",
            "gradient",
            "no mean",
        ),
        "no upstream": ("return x - target, target - x", "gradient", "grad_out scales"),
        "one alone": ("return grad_out * (x - target), None", "gradient form", "two gradients"),
        "a number": ("g = (grad_out * (x - target)).sum()\nreturn g, -g", "gradient form", "shape"),
    },
    "prelu": {
        "sign of a": (
            "return torch.where(x > 0, grad_out, a * grad_out), -torch.where(x > 0, 0, x * grad_out).sum()",
            "gradient",
            "adds up",
        ),
        "wrong side": (
            "return torch.where(x > 0, grad_out, a * grad_out), torch.where(x > 0, x * grad_out, 0).sum()",
            "gradient",
            "adds up",
        ),
        "not summed": (
            "return torch.where(x > 0, grad_out, a * grad_out), torch.where(x > 0, 0, x * grad_out)",
            "gradient form",
            "single number",
        ),
        "a mean": (
            "g = torch.where(x > 0, 0, x * grad_out)\n"
            "return torch.where(x > 0, grad_out, a * grad_out), g.sum() / max(1, g.numel())",
            "gradient",
            "adds up",
        ),
        "max of the slide": (
            "first = a * x > x\n"
            "return torch.where(first, a * grad_out, grad_out), torch.where(first, x * grad_out, 0).sum()",
            "gradient",
            "also for a > 1",
        ),
        "kink from above": (
            "return torch.where(x >= 0, grad_out, a * grad_out), torch.where(x > 0, 0, x * grad_out).sum()",
            "kinks",
            "second case",
        ),
        "zero below": (
            "return torch.where(x > 0, grad_out, 0), torch.where(x > 0, 0, x * grad_out).sum()",
            "gradient",
            "two cases",
        ),
    },
    "linear": {
        "bias not summed": ("return grad_out @ weight, grad_out.t() @ x, grad_out", "gradient form", "copies the bias"),
        "bias' mean": (
            "return grad_out @ weight, grad_out.t() @ x, grad_out.sum(0) / max(1, len(x))",
            "gradient",
            "added in every row",
        ),
        "weight transposed": (
            "return grad_out @ weight, x.t() @ grad_out, grad_out.sum(0)",
            "gradient form",
            "of their shapes",
        ),
        "weight transposed back wrongly": (
            "g = (x.t() @ grad_out).reshape(weight.shape)\nreturn grad_out @ weight, g, grad_out.sum(0)",
            "gradient",
            "meets x_ni",
        ),
        "sign of x": ("return -grad_out @ weight, grad_out.t() @ x, grad_out.sum(0)", "gradient", "reaches every unit"),
        "weight's mean": (
            "return grad_out @ weight, grad_out.t() @ x / max(1, len(x)), grad_out.sum(0)",
            "gradient",
            "not a mean",
        ),
        "two of three": ("return grad_out @ weight, grad_out.t() @ x", "gradient form", "x, weight and bias"),
        "shapes that do not fit": (
            "return grad_out @ weight.t(), grad_out.t() @ x, grad_out.sum(0)",
            "gradient",
            "shapes do not meet",
        ),
    },
    "softmax": {
        "diagonal alone": ("return grad_out * p * (1 - p)", "gradient", "every score"),
        "no sum": ("return p * (grad_out - grad_out * p)", "gradient", "sums to 0"),
        "sign": ("return p * ((grad_out * p).sum(-1, keepdim=True) - grad_out)", "gradient", "every score"),
        "sum over the batch": ("return p * (grad_out - (grad_out * p).sum(0, keepdim=True))", "gradient", "sums to 0"),
        "sum not weighted": ("return p * (grad_out - grad_out.sum(-1, keepdim=True))", "gradient", "sums to 0"),
        "divided by p": (
            "g = grad_out / p\nreturn p * p * (g - (g * p * p).sum(-1, keepdim=True) / p)",
            "extremes",
            "divide by nothing",
        ),
        "kernel": ("return torch.ops.aten._softmax_backward_data(grad_out, p, -1, p.dtype)", "hand written", "by hand"),
    },
    "hinge_loss": {
        "right class forgotten": (
            "slope = (violations(scores, target) > 0).to(scores.dtype)\nreturn grad_out * slope / len(scores), None",
            "gradient",
            "right class's",
        ),
        "right class once": (
            "m = (violations(scores, target) > 0).to(scores.dtype)\n"
            "m = m.scatter(1, target.unsqueeze(1), -(m.sum(1, keepdim=True) > 0).to(m.dtype))\n"
            "return grad_out * m / len(scores), None",
            "gradient",
            "sums to 0",
        ),
        "mean forgotten": (
            "m = (violations(scores, target) > 0).to(scores.dtype)\n"
            "return grad_out * m.scatter(1, target.unsqueeze(1), -m.sum(1, keepdim=True)), None",
            "gradient",
            "L is a mean",
        ),
        "sign": (
            "m = (violations(scores, target) > 0).to(scores.dtype)\n"
            "return -grad_out * m.scatter(1, target.unsqueeze(1), -m.sum(1, keepdim=True)) / len(m), None",
            "gradient",
            "right class's",
        ),
        "kink counted": (
            "y = target.unsqueeze(1)\n"
            "m = (scores - scores.gather(1, y) + 1 >= 0).to(scores.dtype).scatter(1, y, 0)\n"
            "return grad_out * m.scatter(1, y, -m.sum(1, keepdim=True)) / len(m), None",
            "kinks",
            "just met",
        ),
        "no None": (
            "m = (violations(scores, target) > 0).to(scores.dtype)\n"
            "return grad_out * m.scatter(1, target.unsqueeze(1), -m.sum(1, keepdim=True)) / len(m)",
            "gradient form",
            "None for the target",
        ),
    },
    "cross_entropy": {
        "onehot forgotten": (
            "return grad_out * torch.softmax(scores, 1) / len(scores), None",
            "gradient",
            "one score less",
        ),
        "sign": (
            "onehot = torch.nn.functional.one_hot(target, scores.shape[1])\n"
            "return grad_out * (onehot - torch.softmax(scores, 1)) / len(scores), None",
            "gradient",
            "one score less",
        ),
        "mean forgotten": (
            "onehot = torch.nn.functional.one_hot(target, scores.shape[1])\n"
            "return grad_out * (torch.softmax(scores, 1) - onehot), None",
            "gradient",
            "L is a mean",
        ),
        "mean over all elements": (
            "onehot = torch.nn.functional.one_hot(target, scores.shape[1])\n"
            "return grad_out * (torch.softmax(scores, 1) - onehot) / scores.numel(), None",
            "gradient",
            "L is a mean",
        ),
        "softmax over the batch": (
            "onehot = torch.nn.functional.one_hot(target, scores.shape[1])\n"
            "return grad_out * (torch.softmax(scores, 0) - onehot) / len(scores), None",
            "gradient",
            "sums to 0",
        ),
        "overflow": (
            "p = scores.exp() / scores.exp().sum(1, keepdim=True)\n"
            "return grad_out * (p - torch.nn.functional.one_hot(target, p.shape[1])) / len(p), None",
            "extremes",
            "overflows",
        ),
        "autograd": (
            "s = scores.detach().requires_grad_()\n"
            "with torch.enable_grad():\n"
            "    CrossEntropy.forward(s, target).backward()\n"
            "return grad_out * s.grad, None",
            "hand written",
            "by hand",
        ),
    },
    "batch_norm": {
        "mean and variance as constants": (
            "return grad_out * weight * r_of(x, eps), sums(grad_out, x, eps), grad_out.sum(0), None",
            "gradient",
            "three paths",
        ),
        "no variance path": (
            "g = grad_out - grad_out.mean(0)\n"
            "return g * weight * r_of(x, eps), sums(grad_out, x, eps), grad_out.sum(0), None",
            "gradient",
            "through v",
        ),
        "no mean path": (
            "x_hat, r = normalised(x, eps)\n"
            "g = grad_out - x_hat * (grad_out * x_hat).mean(0)\n"
            "return g * weight * r, sums(grad_out, x, eps), grad_out.sum(0), None",
            "gradient",
            "through μ",
        ),
        "no weight": (
            "x_hat, r = normalised(x, eps)\n"
            "g = grad_out - grad_out.mean(0) - x_hat * (grad_out * x_hat).mean(0)\n"
            "return g * r, sums(grad_out, x, eps), grad_out.sum(0), None",
            "gradient",
            "belongs to all three",
        ),
        "weight of x": (
            "x_hat, r = normalised(x, eps)\n"
            "g = grad_out - grad_out.mean(0) - x_hat * (grad_out * x_hat).mean(0)\n"
            "return g * weight * r, (grad_out * x).sum(0), grad_out.sum(0), None",
            "gradient",
            "multiplies x̂",
        ),
        "bias' mean": (
            "x_hat, r = normalised(x, eps)\n"
            "g = grad_out - grad_out.mean(0) - x_hat * (grad_out * x_hat).mean(0)\n"
            "return g * weight * r, sums(grad_out, x, eps), grad_out.mean(0), None",
            "gradient",
            "added in every example",
        ),
        "bias not summed": (
            "x_hat, r = normalised(x, eps)\n"
            "g = grad_out - grad_out.mean(0) - x_hat * (grad_out * x_hat).mean(0)\n"
            "return g * weight * r, sums(grad_out, x, eps), grad_out, None",
            "gradient form",
            "all N examples",
        ),
        "divided by N - 1": (
            "x_hat, r = normalised(x, eps)\n"
            "g = grad_out - (grad_out.sum(0) + x_hat * (grad_out * x_hat).sum(0)) / (len(x) - 1)\n"
            "return g * weight * r, sums(grad_out, x, eps), grad_out.sum(0), None",
            "gradient",
            "three paths",
        ),
    },
}

# What the slips in batch_norm have right.
HELPERS = """

def r_of(x, eps):
    return normalised(x, eps)[1]


def sums(grad_out, x, eps):
    return (grad_out * normalised(x, eps)[0]).sum(0)
"""
