"""The training loop: manual equals automatic, no foreign gradient anywhere, everything that can be chosen trains."""

import copy
import dataclasses

import pytest
import torch

import manualnet
from experiments.training import data, optimizers, recipes
from experiments.training.config import Config
from experiments.training.errors import UsageError
from experiments.training.evaluate import accuracy, views_of
from experiments.training.models import ACTIVATIONS, MODELS, Residual
from experiments.training.pictures import Pictures, normalise, scale_of
from experiments.training.train import Trainer
from manualnet.handwritten import BackwardKernels, foreign_nodes

CPU = torch.device("cpu")
SMALL = {"width": 32, "batch_size": 16, "epochs": 1.0}


@pytest.fixture(scope="session")
def embedded() -> data.Dataset:
    return data.load("embedded")


def _pictures(dataset, dtype=torch.float64, count=320) -> Pictures:
    images, labels = dataset.train_images[:count], dataset.train_labels[:count]
    return Pictures(images, labels, scale_of(images), CPU, dtype)


def _trainer(pictures, model="mlp", precision="float64", **changes) -> Trainer:
    config = dataclasses.replace(recipes.recipe(model), **(SMALL | changes))
    trainer = Trainer(config, CPU, precision)
    trainer.prepare(pictures)
    trainer.model.train()
    return trainer


def _losses(pictures, steps, **changes) -> list[float]:
    trainer = _trainer(pictures, **changes)
    batches = list(pictures.epoch(0, trainer.config))
    return [trainer.step(*batches[i % len(batches)])[0].item() for i in range(steps)]


NOISE = {"dropout": 0.3, "stochastic_depth": 0.2, "penalty": "elastic_net"}


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("changes", [{}, NOISE], ids=["plain", "noise and penalty"])
def test_manual_equals_automatic(embedded, model, changes):
    pictures = _pictures(embedded)
    manual = _losses(pictures, 20, model=model, gradients="manual", **changes)
    automatic = _losses(pictures, 20, model=model, gradients="automatic", **changes)
    assert len(set(manual)) == 20
    assert max(abs(m - a) for m, a in zip(manual, automatic, strict=True)) <= 1e-9


@pytest.mark.parametrize(
    ("convolutions", "dropped", "residual"), [(1, 0, 0), (2, 0, 0), (2, 0.2, 1), (3, 0, 2), (4, 0.2, 3)]
)
def test_more_convolutions_a_group_are_a_residual_block(embedded, convolutions, dropped, residual):
    """``residual`` of each group's convolutions lie in the block that is added to its input."""
    changes = {"convolutions": convolutions, "stochastic_depth": dropped}
    network = _trainer(_pictures(embedded), "convnet", **changes).model
    assert [_convolutions(group) for group in network.groups] == [convolutions] * 3
    blocks = [block for block in network.modules() if isinstance(block, Residual)]
    assert [_convolutions(block) for block in blocks] == [residual] * 3 * bool(residual)
    manual, automatic = (
        _losses(_pictures(embedded), 4, model="convnet", gradients=gradients, **changes)
        for gradients in ("manual", "automatic")
    )
    assert manual == pytest.approx(automatic, abs=1e-9)
    assert len(set(manual)) == 4


def _convolutions(network) -> int:
    return sum(isinstance(layer, torch.nn.Conv2d) for layer in network.modules())


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("precision", ["float64", "float32", "bfloat16"])
def test_no_gradient_is_pytorchs(embedded, model, precision):
    pictures = _pictures(embedded, getattr(torch, precision))
    trainer = _trainer(pictures, model, precision, **NOISE)
    images, labels = next(pictures.epoch(0, trainer.config))
    seen = []
    original = torch.Tensor.backward

    def watched(total):
        seen.extend(foreign_nodes(total))
        with BackwardKernels() as kernels:
            original(total)
        seen.extend(kernels.seen)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.Tensor, "backward", watched)
        trainer.step(images, labels)
    assert seen == []
    assert all(p.grad is not None for p in trainer.model.parameters() if p.requires_grad)


def test_the_watch_sees_pytorchs_gradients(embedded):
    pictures = _pictures(embedded)
    trainer = _trainer(pictures, "mlp", gradients="automatic")
    images, labels = next(pictures.epoch(0, trainer.config))
    loss = trainer.objective(trainer.model(images), labels)
    assert {"AddmmBackward0", "NativeBatchNormBackward0", "NllLossBackward0"} <= set(foreign_nodes(loss))
    with BackwardKernels() as kernels:
        loss.backward()
    assert any("native_batch_norm_backward" in name for name in kernels.seen)


@pytest.mark.parametrize("activation", [*ACTIVATIONS, "maxout"])
def test_every_activation_trains_an_mlp(embedded, activation):
    losses = _losses(_pictures(embedded), 3, activation=activation)
    assert all(map(torch.isfinite, torch.tensor(losses)))
    # Step has no gradient: only the last layer learns (S15).
    trainer = _trainer(_pictures(embedded), activation=activation)
    trainer.step(*next(_pictures(embedded).epoch(0, trainer.config)))
    first = next(p for p in trainer.model.parameters() if p.dim() > 1)
    assert (first.grad.abs().max().item() == 0) == (activation == "step")


@pytest.mark.parametrize(
    "loss", ["cross_entropy", "hinge", "mse", "squared_error", "l1", "binary_cross_entropy", "triplet"]
)
def test_every_loss_falls(embedded, loss):
    rates = {"squared_error": 1e-3, "hinge": 1e-3, "triplet": 1e-3}
    losses = _losses(_pictures(embedded, count=16), 40, loss=loss, learning_rate=rates.get(loss, 1e-2), model="mlp")
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.parametrize("model", ["two_layer", "mlp", "convnet"])
@pytest.mark.parametrize(("activation", "fused"), [("gelu", "BatchNormGELU"), ("relu", "BatchNormReLU"), ("elu", None)])
def test_one_operation_trains_as_two(embedded, model, activation, fused):
    pictures, blocks = _pictures(embedded), {"BatchNormGELU", "BatchNormReLU"}
    together, apart = (_trainer(pictures, model, activation=activation, fused=choice).model for choice in (True, False))
    kinds = [{type(m).__name__ for m in net.modules()} & blocks for net in (together, apart)]
    assert kinds == [{fused} if fused else set(), set()]
    assert list(together.state_dict()) == list(apart.state_dict())
    losses = [_losses(pictures, 3, model=model, activation=activation, fused=choice) for choice in (True, False)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-9)


@pytest.mark.parametrize("pooling", ["max", "average", "stochastic"])
@pytest.mark.parametrize("batch_norm", [True, False])
def test_every_pooling_trains_a_convnet(embedded, pooling, batch_norm):
    losses = _losses(_pictures(embedded), 2, model="convnet", pooling=pooling, batch_norm=batch_norm)
    assert all(map(torch.isfinite, torch.tensor(losses)))


def test_convnet_refuses_maxout(embedded):
    with pytest.raises(UsageError, match="maxout needs linear layers"):
        _trainer(_pictures(embedded), "convnet", activation="maxout")


@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "muon"])
@pytest.mark.parametrize("model", MODELS)
def test_every_optimizer_learns_with_every_weight(embedded, optimizer, model):
    pictures = _pictures(embedded, count=16)
    trainer = _trainer(pictures, model, optimizer=optimizer, learning_rate=0.003, label_smoothing=0.0)
    before = [p.detach().clone() for p in trainer.model.parameters() if p.requires_grad]
    losses = [trainer.step(*next(pictures.epoch(0, trainer.config)))[0].item() for _ in range(20)]
    after = [p for p in trainer.model.parameters() if p.requires_grad]
    assert all(not torch.equal(b, a) for b, a in zip(before, after, strict=True))
    assert losses[-1] < losses[0]


def test_a_loss_that_is_no_number_ends_the_run(embedded):
    pictures = _pictures(embedded)
    config = dataclasses.replace(recipes.recipe("linear"), epochs=2.0, batch_size=16, learning_rate=1e200)
    with pytest.raises(UsageError, match=r"the loss became .* in epoch 1: try a smaller --learning-rate"):
        Trainer(config, CPU, "float64").fit(pictures)


def test_penalty_is_reported_apart_and_shrinks_weights(embedded):
    pictures = _pictures(embedded)
    norms = []
    for strength in (0.0, 0.1):
        trainer = _trainer(pictures, "linear", penalty="l2", penalty_strength=strength)
        batch = next(pictures.epoch(0, trainer.config))
        for _ in range(10):
            _, penalty, _ = trainer.step(*batch)
        weight = trainer.model[1].weight
        norms.append(weight.norm().item())
        assert penalty.item() == pytest.approx(strength * weight.square().sum().item(), rel=0.5, abs=1e-12)
    assert norms[1] < norms[0]


def test_weights_stay_float32_under_autocast(embedded):
    pictures = _pictures(embedded, torch.bfloat16)
    trainer = _trainer(pictures, "convnet", "bfloat16")
    loss, _, scores = trainer.step(*next(pictures.epoch(0, trainer.config)))
    assert (loss.dtype, scores.dtype) == (torch.float32, torch.bfloat16)
    assert {p.dtype for p in trainer.model.parameters()} == {torch.float32}
    assert {p.grad.dtype for p in trainer.model.parameters() if p.grad is not None} == {torch.float32}


def test_products_round_more_while_it_trains_and_not_after(embedded):
    """Forward, backward and evaluation; what else there is in the process keeps its own setting."""
    pictures = _pictures(embedded, torch.float32)
    trainer, seen = _trainer(pictures, "convnet", "float32"), []

    def look(*_):
        seen.append(torch.get_float32_matmul_precision())

    trainer.model.register_forward_pre_hook(look)
    trainer.model.tail.register_full_backward_hook(look)
    trainer.step(*next(pictures.epoch(0, trainer.config)))
    assert seen == ["high"] * 2
    trainer.evaluate(pictures, "one")
    assert set(seen) == {"high"}
    assert torch.get_float32_matmul_precision() == "highest"


def test_a_seed_repeats_a_run_and_another_does_not(embedded):
    pictures = _pictures(embedded)
    first, again, other = (_losses(pictures, 3, seed=seed) for seed in (1, 1, 2))
    assert first == again != other


def test_whitening_gives_uncorrelated_patches(embedded):
    pictures = _pictures(embedded, count=1000)
    model = _trainer(pictures, "convnet").model
    out = model.whiten(pictures.images)[:, :12].detach().transpose(0, 1).flatten(1)
    covariance = out @ out.t() / out.shape[1]
    assert torch.allclose(covariance, covariance.diagonal().diag(), atol=1e-8)
    assert covariance.diagonal().max() <= 1 + 1e-8


def test_normalised_pictures_have_mean_0_and_deviation_1(embedded):
    images = embedded.train_images[:500]
    for dtype, tolerance in ((torch.float64, 1e-12), (torch.bfloat16, 1e-2)):
        out = normalise(images, *scale_of(images), dtype)
        assert out.dtype == dtype
        assert out.is_contiguous(memory_format=torch.channels_last)
        assert out.double().mean((0, 2, 3)).abs().max() <= tolerance
        assert (out.double().std((0, 2, 3), correction=0) - 1).abs().max() <= tolerance


def test_views_weigh_one_together():
    images = torch.randn(4, 3, 32, 32)
    for views, count in (("one", 1), ("flips", 2), ("flips_and_shifts", 6)):
        weighted = views_of(images, views)
        assert len(weighted) == count
        assert sum(weight for weight, _ in weighted) == 1
        assert torch.equal(weighted[0][1], images)
    shifted = weighted[2][1]
    assert torch.equal(shifted[:, :, :-1, :-1], images[:, :, 1:, 1:])


def test_schedules_start_at_1_and_fall():
    for kind, end in (("constant", 1.0), ("linear", 0.0), ("cosine", 0.0)):
        share = optimizers.schedule(kind)
        assert share(0.0) == pytest.approx(1.0)
        assert share(1.0) == pytest.approx(end)


def test_accuracy_counts():
    scores = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    assert accuracy(scores, torch.tensor([0, 1, 1])) == pytest.approx(2 / 3)


def test_every_setting_is_a_recipe_for_every_model():
    for model in MODELS:
        config = recipes.recipe(model)
        assert isinstance(config, Config)
        assert config.model == model
        assert recipes.with_epochs(config, "cifar10").epochs > 0
        assert recipes.with_epochs(config, "embedded").epochs > 0


@pytest.mark.parametrize("model", MODELS)
def test_twins_share_their_state_dict(model):
    config = dataclasses.replace(recipes.recipe(model), **SMALL)
    manual, automatic = (MODELS[model](ns, config) for ns in (manualnet, manualnet.reference))
    assert manual.state_dict().keys() == automatic.state_dict().keys()
    automatic.load_state_dict(manual.state_dict())


def test_a_convnet_goes_on_bit_by_bit(embedded):
    """Muon, pictures that grow, layers that freeze: the state after an epoch is all that the next ones need."""
    pictures = _pictures(embedded, torch.float32)
    changes = {"epochs": 3.0, "batch_size": 32, "freeze": 0.5, "resolutions": (24, 32), "dropout": 0.2}
    config = dataclasses.replace(recipes.recipe("convnet"), width=32, **changes)
    states: list[dict] = []
    whole = Trainer(config, CPU, "float32")
    whole.fit(pictures, each_epoch=lambda epoch: states.append(copy.deepcopy(whole.state_dict())))
    resumed = Trainer(config, CPU, "float32")
    torch.rand(7)
    resumed.fit(pictures, state=states[0])
    assert (resumed.step_count, resumed.resumed_after) == (30, [1])
    first, last, again = states[0]["model"], whole.model.state_dict(), resumed.model.state_dict()
    assert all(torch.equal(last[name], again[name]) for name in last)
    assert not torch.equal(first["groups.2.0.weight"], last["groups.2.0.weight"])
