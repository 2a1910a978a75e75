"""What the specs cannot say of dropout and stochastic depth: the random stream, in place, errors, compositions."""

import pytest
import torch
import torchvision

from manualnet import functional as F

SEED = 20240122
OPERATIONS = {
    "dropout": (F.dropout, torch.nn.functional.dropout, ()),
    "row": (F.stochastic_depth, torchvision.ops.stochastic_depth, ("row",)),
    "batch": (F.stochastic_depth, torchvision.ops.stochastic_depth, ("batch",)),
}


def _seeded(function, *args, **kwargs):
    torch.manual_seed(SEED)
    return function(*args, **kwargs)


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("p", [0, 0.1, 0.5, 0.9, 1, 1.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_one_seed_gives_pytorchs_values_and_gradients_bit_by_bit(name, p, dtype):
    ours, theirs, more = OPERATIONS[name]
    x = torch.randn(50, 7).to(dtype).requires_grad_()
    g = torch.randn(50, 7).to(dtype)
    y, expected = _seeded(ours, x, p, *more), _seeded(theirs, x, p, *more)
    assert torch.equal(y, expected)
    if p:
        assert torch.equal(torch.autograd.grad(y, x, g)[0], torch.autograd.grad(expected, x, g)[0])


def test_a_probability_may_be_a_tensor():
    x, p = torch.randn(50, 7), torch.tensor(0.3)
    assert torch.equal(_seeded(F.dropout, x, p), _seeded(torch.nn.functional.dropout, x, p))


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_stream_goes_on_where_pytorchs_does(name):
    ours, theirs, more = OPERATIONS[name]
    x = torch.randn(5, 7)
    _seeded(ours, x, 0.5, *more)
    after = torch.rand(3)
    _seeded(theirs, x, 0.5, *more)
    assert torch.equal(after, torch.rand(3))


@pytest.mark.parametrize("name", OPERATIONS)
def test_without_effect_the_input_itself_comes_back(name):
    function, _, more = OPERATIONS[name]
    for x in (torch.ones(3, 2), torch.ones(2, 2).long()):
        assert function(x, 0.0, *more) is x
        assert function(x, 0.5, *more, training=False) is x


def test_dropping_of_nothing_gives_the_input_itself():
    for x in (torch.ones(0, 2), torch.ones(0, 2).long()):
        assert torch.nn.functional.dropout(x) is x
        assert F.dropout(x) is x


def test_infinity_and_nan_as_pytorch():
    x = torch.tensor([float("inf"), float("nan"), 1.0]).repeat(20)
    for p in (0.5, 1.0):
        torch.testing.assert_close(
            _seeded(F.dropout, x, p), _seeded(torch.nn.functional.dropout, x, p), rtol=0, atol=0, equal_nan=True
        )


def test_in_place():
    leaf = torch.randn(4, 5, requires_grad=True)

    def run(function):
        x = leaf.clone()
        before = x.data_ptr()
        y = _seeded(function, x, 0.4, inplace=True)
        assert y is x
        assert y.data_ptr() == before
        return y.detach(), torch.autograd.grad(y.square().sum(), leaf)[0]

    torch.testing.assert_close(run(F.dropout), run(torch.nn.functional.dropout))
    for p in (0.5, 1.0):
        with pytest.raises(RuntimeError, match="leaf"):
            F.dropout(leaf, p, inplace=True)
    assert F.dropout(leaf, 0.0, inplace=True) is leaf
    assert F.dropout(leaf, 0.5, False, True) is leaf


@pytest.mark.parametrize(
    ("args", "error"),
    [
        ((torch.ones(3), -0.1), ValueError),
        ((torch.ones(3), 1.1), ValueError),
        ((torch.ones(3), 2, False), ValueError),
        ((torch.ones(3), float("nan")), RuntimeError),
        ((torch.ones(3).long(), 0.5), RuntimeError),
        ((torch.ones(3), "half"), TypeError),
        (([1.0], 0.5), TypeError),
    ],
)
def test_dropout_errors_have_pytorchs_type(args, error):
    for function in (F.dropout, torch.nn.functional.dropout):
        with pytest.raises(error):
            function(*args)


@pytest.mark.parametrize("args", [(-0.1, "row"), (1.1, "batch"), (0.5, "column")])
def test_stochastic_depth_errors_have_torchvisions_type(args):
    for function in (F.stochastic_depth, torchvision.ops.stochastic_depth):
        with pytest.raises(ValueError, match="has to be"):
            function(torch.ones(2, 3), *args)


@pytest.mark.parametrize("name", OPERATIONS)
def test_complex_is_refused(name):
    function, _, more = OPERATIONS[name]
    with pytest.raises(NotImplementedError, match="real"):
        function(torch.ones(2, 2, dtype=torch.complex64), 0.5, *more)


@pytest.mark.parametrize("randomness", ["same", "different"])
def test_vmap_draws_as_pytorch(randomness):
    def batched(function):
        return torch.func.vmap(lambda x: function(x, 0.5), randomness=randomness)

    x = torch.ones(4, 50)
    ours = theirs = None
    try:
        theirs = _seeded(batched(torch.nn.functional.dropout), x)
    except RuntimeError as error:
        with pytest.raises(RuntimeError, match=str(error)[:20]):
            batched(F.dropout)(x)
    else:
        ours = _seeded(batched(F.dropout), x)
        assert torch.equal(ours, theirs)
    with pytest.raises(RuntimeError, match="random"):
        torch.func.vmap(lambda x: F.dropout(x, 0.5))(x)


def test_compiles_whole():
    x = torch.ones(100, requires_grad=True)
    compiled = torch.compile(lambda x: F.dropout(x, 0.5) * 3, fullgraph=True, backend="aot_eager")
    y = compiled(x)
    (grad,) = torch.autograd.grad(y.sum(), x)
    assert torch.equal(grad, y.detach())
    assert set(y.tolist()) == {0.0, 6.0}
