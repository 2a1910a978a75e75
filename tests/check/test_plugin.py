"""``pytest --manualnet-check``, in pytest runs of its own."""

import pytest
import torch

from manualnet.check import PROPERTIES, check


@pytest.fixture(scope="module", autouse=True)
def imported():
    """pytester forgets what its runs import, and PyTorch bears some of it only once: it is imported before."""
    check(torch.exp, torch.ones(3))


MODULE = """
import torch
from manualnet.check import Sample, Spec, check

class Square(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x):
        return x * x

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, grad_out):
        (x,) = ctx.saved_tensors
        return FACTOR * x * grad_out

def sample():
    return Sample((torch.randn(3, 4, dtype=torch.float64, requires_grad=True),))

SQUARE = Spec("square", Square, lambda generator: [sample()])

def test_square():
    check(Square, torch.randn(3, 4), reference=torch.square, only=["gradient", "compile"]).raise_for_failures()

class TestSquare:
    INNER = SQUARE
"""


@pytest.fixture
def module(pytester):
    pytester.makepyfile(test_square=MODULE.replace("FACTOR", "2"))
    return pytester


@pytest.fixture
def wrong(pytester):
    pytester.makepyfile(test_square=MODULE.replace("FACTOR", "1"))
    return pytester


def test_every_property_of_a_spec_becomes_a_test(module):
    result = module.runpytest("--manualnet-check", "--collect-only", "-q")
    expected = [f"test_square.py::SQUARE::{name}" for name in PROPERTIES]
    found = [line for line in result.outlines if line.startswith("test_square.py::")]
    assert [*expected, "test_square.py::test_square"] == found


def test_without_the_option_specs_are_ignored(module):
    result = module.runpytest("--collect-only", "-q")
    assert [line for line in result.outlines if "::" in line] == ["test_square.py::test_square"]


def test_a_property_passes_or_is_skipped_with_its_reason(module):
    result = module.runpytest("--manualnet-check", "-rs", "-k", "SQUARE and (value or numeric)")
    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED * there is no reference to compare with"])


def test_one_property_can_be_named(module):
    module.runpytest("--manualnet-check", "test_square.py::SQUARE::numeric gradient").assert_outcomes(passed=1)


def test_a_failure_says_what_is_wrong_and_how_to_mend_it_without_a_traceback(wrong):
    result = wrong.runpytest("--manualnet-check", "test_square.py::SQUARE::numeric gradient")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*square: numeric gradient*", "*1/2 times the right one*", "Derive the backward anew*"]
    )
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*engine.py*")


def test_the_idiom_of_two_lines_shows_the_line_of_the_test(wrong):
    result = wrong.runpytest("test_square.py::test_square")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([">*raise_for_failures()", "E * Square fails 1 of 2 properties", "*test_square.py:*"])
    for noise in ("*report.py*", "*torch.__trace*"):
        result.stdout.no_fnmatch_line(noise)
    wrong.makepyfile(test_square=MODULE.replace("FACTOR", "2"))
    wrong.runpytest("test_square.py::test_square").assert_outcomes(passed=1)


def test_a_spec_whose_call_fails_fails(pytester):
    module = "from manualnet.check import Spec\nBROKEN = Spec('broken', lambda x: x.nothing, [])\n"
    pytester.makepyfile(test_broken=module)
    result = pytester.runpytest("--manualnet-check", "-k", "hessian")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*needs at least one sample*"])


def test_workers_of_xdist_share_the_properties(module):
    pytest.importorskip("xdist")
    result = module.runpytest("--manualnet-check", "-n", "2", "-k", "SQUARE and (value or numeric)")
    result.assert_outcomes(passed=1, skipped=1)
