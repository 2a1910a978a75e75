"""What is made of what was given, and what is said of it."""

import torch

from manualnet.check import Sample, Spec, check, prove

X = torch.linspace(-1.5, 2.0, 12, dtype=torch.float64).reshape(3, 4)


def tripled(x):
    return 3 * x - 2 * x.detach()


def test_samples_none_of_which_requires_a_gradient_are_differentiated():
    report = prove(Spec("x", tripled, [Sample((X,))], torch.clone), only=["gradient"])
    assert "it is 3 times the right one" in report["gradient"].wrong


def test_samples_that_cannot_be_made_are_told_of():
    def samples(generator):
        return {}["nope"]

    (result,) = prove(Spec("x", torch.clone, samples))
    assert result.failed
    assert "making the samples raises KeyError: 'nope'" in result.wrong
    assert "samples" in result.mend


def test_a_small_difference_is_told_with_all_its_digits():
    result = check(lambda x: x * (1 + 2**-30), X, reference=torch.clone, only=["gradient"])["gradient"]
    assert result.wrong.endswith("is -1.5227684854312442, not -1.5227684840130555.")


def test_a_result_may_have_a_none_in_it():
    assert check(lambda x: (x * 2, None), X, only=["vmap"]).passed


def test_advice_for_what_is_no_tensor():
    class Scaled(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, factor):
            ctx.factor = factor
            return x * factor

        @staticmethod
        def backward(ctx, grad_out):
            return grad_out * ctx.factor, grad_out.sum()

    result = check(Scaled, X, 2.0, reference=torch.mul, only=["gradient"])["gradient"]
    assert result.failed
    assert "None" in result.mend
    assert "no tensor" in result.mend
