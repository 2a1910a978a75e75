"""A training step and its growth."""

import dataclasses
import json

import pytest

from experiments.bench import growth, models
from experiments.bench.timing import Effort
from experiments.training import recipes

ONCE = Effort(0.0, least=1, most=1, warmup=0)


def _small(model, **changes):
    return dataclasses.replace(recipes.recipe(model), **({"batch_size": 8, "width": 16} | changes))


def test_a_step_is_measured_with_its_memory_and_flops():
    measured = models.measure(_small("two_layer"), "float32", ONCE)
    # Forward, and in backward the gradients of both weights and of the second layer's input.
    assert measured.flops == 2 * 8 * (2 * 3072 * 16 + 3 * 16 * 10)
    # Gradients and momentum of every parameter besides itself.
    parameters = 4 * (3072 * 16 + 2 * 16 + 16 * 10 + 10)
    assert measured.manual.before >= 3 * parameters
    assert measured.manual.before == measured.twin.before
    assert measured.manual.live > measured.manual.before
    assert measured.record(1e9)["share_of_peak"]["twin"] == pytest.approx(measured.share_of(1e9, "twin"))
    assert measured.images_per_second("manual") == 8 / measured.race.seconds("manual").median


def test_growth_doubles_one_setting_and_measures_a_shared_one_once():
    config = _small("mlp", width=32, batch_size=16, depth=1)
    grown = list(growth.measure(config, "float32", ONCE))
    assert [(g.axis, g.values) for g in grown] == [
        ("batch_size", [4, 8, 16]),
        ("width", [8, 16, 32]),
        ("depth", [1, 2, 4]),
    ]
    batch, width, depth = grown
    assert batch.steps[0] is width.steps[2] is depth.steps[0]
    assert batch.live("twin")[0] < batch.live("twin")[2]
    json.dumps(batch.record(1e9))
