"""A step of training is the same without compiled code, to float32's last digits."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import torch

from manualnet.native import build

from .kit import compiled

pytestmark = compiled

STEPS = """
import sys, torch
import manualnet.nn as nn
from manualnet.native import available
from manualnet.native.build import load

def blocks():
    yield from (nn.Conv2d(3, 24, 3, padding=1), nn.BatchNorm2d(24), nn.GELU(), nn.MaxPool2d(2))
    yield from (nn.Conv2d(24, 40, 2), nn.BatchNormGELU(40), nn.MaxPool2d(3), nn.Conv2d(40, 8, 1), nn.ELU())
    yield from (nn.LeakyReLU(0.1), nn.Tanh(), nn.Flatten(), nn.Linear(8 * 25, 10), nn.Sigmoid(), nn.ReLU())

torch.manual_seed(0)
model = nn.Sequential(*blocks()).to(memory_format=torch.channels_last).requires_grad_()
x = torch.randn(32, 3, 32, 32).to(memory_format=torch.channels_last)
losses = []
for step in range(3):
    loss = nn.CrossEntropyLoss()(model(x), torch.arange(32) % 10)
    model.zero_grad()
    loss.backward()
    losses.append(loss.detach())
    if step < 2:
        with torch.no_grad():
            for parameter in model.parameters():
                parameter -= 0.05 * parameter.grad
result = {"losses": losses, "gradients": [p.grad for p in model.parameters()], "state": model.state_dict()}
found = available(), load("numbers.h", "share.h", "vectors.h", "conv2d_weight.c") is not None
if __name__ == "__main__":
    torch.save((found, result), sys.argv[1])
"""


def test_training_is_the_same(tmp_path):
    program, saved = tmp_path / "steps.py", tmp_path / "saved.pt"
    program.write_text(STEPS)
    command = [sys.executable, "-W", "error", "-W", "ignore:.*torch.jit.*", str(program), str(saved)]
    environment = {"MANUALNET_NATIVE": "0", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(build.__file__).parents[2])}
    run = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=120)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
    found, formula = torch.load(saved)
    assert found == (False, False)
    with torch.random.fork_rng():
        here = runpy.run_path(str(program))
    assert here["found"] == (True, True)
    compiled = here["result"]
    torch.testing.assert_close(compiled, formula, rtol=1e-3, atol=2e-5)
    assert not all(map(torch.equal, compiled["gradients"], formula["gradients"]))
