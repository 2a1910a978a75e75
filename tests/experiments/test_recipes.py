"""Recipes, and the pictures that grow: what they are made of."""

import dataclasses

import pytest
import torch

import manualnet
from experiments.training import augment, optimizers, recipes
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
        width=16, batch_size=8, epochs=1.0, freeze=0.5, precision="float32", optimizer="sgd", weight_decay=0.1
    )
    trainer = Trainer(config, CPU, "float32")
    trainer.prepare(pictures)
    weights = dict(trainer.model.named_parameters())
    early, late = [weights["groups.0.0.weight"], weights["groups.0.2.bias"]], [weights["groups.1.0.weight"]]
    batch = next(pictures.epoch(0, config))
    for done, moves in ((0.4, True), (0.5, False), (0.9, False)):
        before = [p.detach().clone() for p in early + late]
        assert isinstance(trainer.model, ConvNet)
        trainer.model.progress(done)
        trainer.step(*batch)
        assert [not torch.equal(b, p) for b, p in zip(before, early + late, strict=True)] == [moves, moves, True]
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
