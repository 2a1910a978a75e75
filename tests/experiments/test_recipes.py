"""Recipes, and the pictures that grow: what they are made of."""

import dataclasses
import math

import pytest
import torch

import manualnet
from experiments.training import augment, optimizers, plan, recipes
from experiments.training.config import Config
from experiments.training.evaluate import scores
from experiments.training.models import POOLINGS, ConvNet, GlobalPool, build
from experiments.training.pictures import Pictures, scale_of
from experiments.training.train import Trainer

CPU = torch.device("cpu")


def _pictures(count=64) -> Pictures:
    images = torch.randint(256, (count, 3, 32, 32), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    return Pictures(images, torch.arange(count) % 10, scale_of(images), CPU, torch.float32)


def test_the_record_is_configs_own_defaults():
    assert recipes.recipe("airbench94") == Config(recipe="airbench94")
    config = recipes.with_epochs(recipes.recipe("airbench94"), "cifar10")
    assert (config.epochs, config.batch_size, config.width, config.resolutions) == (8.0, 2000, 256, (32,))


def test_convnet_is_fast94():
    assert recipes.recipe("convnet") == recipes.recipe("fast94")
    assert recipes.parse([]) == recipes.parse(["--model", "convnet"]) == recipes.recipe("fast94")


def test_a_recipe_is_where_the_command_line_starts():
    config = recipes.parse(["--recipe", "airbench94", "--batch-size", "10"])
    assert config == dataclasses.replace(recipes.recipe("airbench94"), batch_size=10)


@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_resizing_keeps_type_and_layout(dtype, layout):
    images = torch.rand(4, 3, 32, 32).to(dtype, memory_format=layout)
    out = augment.resized(images, 20)
    assert (out.shape, out.dtype) == ((4, 3, 20, 20), dtype)
    assert out.is_contiguous(memory_format=layout)
    assert augment.resized(images, 32) is images


def test_resizing_takes_every_pixel_into_account():
    checkers = (torch.arange(32).view(-1, 1) + torch.arange(32)).remainder(2).double().expand(1, 3, 32, 32)
    out = augment.resized(checkers, 16)
    assert (out - 0.5).abs().max() < 0.02  # the borders see one pixel less
    ramp = torch.arange(32.0).expand(1, 3, 32, 32)
    assert torch.allclose(augment.resized(ramp, 16)[0, 0, 0, 1:-1], torch.arange(2.5, 29, 2))


@pytest.mark.parametrize("side", [9, 24, 40])
def test_resizing_is_pytorchs_interpolation(side):
    images = torch.rand(3, 3, 32, 30)
    expected = torch.nn.functional.interpolate(images, (side, side), mode="bilinear", antialias=True)
    assert torch.allclose(augment.resized(images, side), expected, atol=1e-6)


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("side", [9, 16, 20, 27, 32, 40])
def test_convnet_takes_any_size(pooling, side):
    model = build(manualnet, Config(width=16, pooling=pooling))
    kept = [name for name in model.state_dict() if name.startswith("tail")]
    assert kept == ["tail.2.weight"]
    assert model(torch.randn(2, 3, side, side)).shape == (2, 10)


def test_the_tail_pools_the_whole_map():
    pool = GlobalPool(manualnet.nn.MaxPool2d(3))
    for side in (2, 3, 4):
        x = torch.randn(2, 16, side, side)
        assert torch.equal(pool(x), x.amax((2, 3), keepdim=True))


def test_doubtful_pictures_are_seen_in_all_views():
    pictures, model = _pictures(50), build(manualnet, Config(width=16)).eval()
    one, every, doubtful = (scores(model, pictures, views) for views in ("one", "flips_and_shifts", "doubtful"))
    margins = one.topk(2).values.diff().abs().squeeze()
    least = margins.argsort()[:10]
    assert torch.allclose(doubtful[least], every[least], atol=1e-6)
    others = margins.argsort()[10:]
    assert torch.equal(doubtful[others], one[others])
    assert not torch.allclose(one[least], every[least], atol=1e-6)


def test_early_layers_freeze():
    pictures = _pictures()
    config = Config(
        width=16,
        batch_size=8,
        epochs=1.0,
        freeze=0.5,
        freeze_whitening=0.3,
        precision="float32",
        optimizer="sgd",
        weight_decay=0.1,
    )
    trainer = Trainer(config, CPU, "float32")
    trainer.prepare(pictures)
    assert isinstance(trainer.model, ConvNet)
    weights = dict(trainer.model.named_parameters())
    bias = weights["whiten.bias"]
    early, late = [weights["groups.0.0.weight"], weights["groups.0.2.bias"]], [weights["groups.1.0.weight"]]
    batch = next(pictures.epoch(0, config))
    for done, moves in ((0.4, True), (0.5, False), (0.9, False)):
        frozen = bias.detach().clone()
        before = [p.detach().clone() for p in early + late]
        trainer.model.progress(done)
        trainer.step(*batch)
        assert [not torch.equal(b, p) for b, p in zip(before, early + late, strict=True)] == [moves, moves, True]
        assert torch.equal(bias, frozen)
    trainer.model.progress(0.2)
    trainer.step(*batch)
    assert not torch.equal(bias, frozen)
    assert not weights["groups.0.2.weight"].requires_grad


def test_other_rates_follow_the_batch_where_muons_follows_its_root():
    def rates(**changes) -> list[float]:
        config = Config(width=16, **changes)
        groups = [g for o in optimizers.build(build(manualnet, config), config) for g in o.param_groups]
        return [g["lr"] for g in groups]

    record = rates()
    assert record == pytest.approx([0.67 * 2000, 0.053 * 2000, 0.24])
    quarter = rates(batch_size=500, learning_rate=0.12)
    assert quarter == pytest.approx([r * share for r, share in zip(record, (1 / 4, 1 / 4, 1 / 2), strict=True)])


def test_resolutions_take_equal_shares_of_the_run(monkeypatch):
    pictures = _pictures()
    config = Config(width=16, batch_size=8, epochs=1.5, resolutions=(16, 24, 32), precision="float32")
    trainer = Trainer(config, CPU, "float32")
    seen, step = [], trainer.step

    def watched(images, labels):
        seen.append(images.shape[2])
        return step(images, labels)

    monkeypatch.setattr(trainer, "step", watched)
    trainer.fit(pictures)
    assert seen == [16] * 4 + [24] * 4 + [32] * 4


def test_every_epoch_is_an_equal_share_of_the_run():
    whole = plan.shares(Config(batch_size=8, epochs=2.5), 20)
    assert whole == pytest.approx([0, 0.2, 0.4, 0.6, 0.8])
    halved = plan.shares(Config(batch_size=10, epochs=4.0, skip=0.5), 40)
    assert halved == pytest.approx([i / 16 for i in range(8)] + [0.5, 0.625, 0.75, 0.875])
    assert plan.shares(Config(batch_size=10, epochs=4.0, max_steps=4), 40) == [0, 0.25, 0.5, 0.75]
    assert plan.shares(Config(batch_size=100, epochs=0.1), 40) == [0.0]


def test_the_second_half_leaves_out_what_is_learnt(monkeypatch):
    pictures = _pictures(64)
    config = Config(width=16, batch_size=8, epochs=4.0, skip=0.5, precision="float32")
    trainer = Trainer(config, CPU, "float32")
    orders, order = [], pictures.order
    known = torch.zeros(64)
    known[::2] = -math.inf  # the even ones

    def watched(number, config, kept=None):
        orders.append(torch.stack(order(number, config, kept)))
        return orders[-1]

    monkeypatch.setattr(pictures, "order", watched)
    monkeypatch.setattr(plan.Losses, "note", lambda losses, indices, scores, labels: losses.values.copy_(known))
    trainer.fit(pictures)
    assert [len(o) for o in orders] == [8, 8, 4, 4]
    assert trainer.step_count == trainer.steps(64) == 24
    assert sorted(orders[0].flatten().tolist()) == list(range(64))
    for late in orders[2:]:
        assert sorted(late.flatten().tolist()) == list(range(1, 64, 2))


def test_losses_are_those_of_the_last_visit():
    losses = plan.Losses(4, CPU)
    scores, labels = torch.randn(3, 10), torch.tensor([1, 2, 3])
    losses.note(torch.tensor([0, 1, 3]), scores, labels)
    expected = torch.nn.functional.cross_entropy(scores, labels, reduction="none")
    assert torch.equal(losses.values[[0, 1, 3]], expected)
    assert losses.largest(1).tolist() == [False, False, True, False]  # never seen
    assert losses.largest(3).tolist() == [i != [0, 1, 3][int(expected.argmin())] for i in range(4)]
