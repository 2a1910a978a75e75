"""One thread, and how long Hypothesis tries: as short as every run can bear, or ``--hypothesis-profile=thorough``."""

import torch
from hypothesis import HealthCheck, settings

# The tensors of tests are small, and threads that wait for each other are slow on a machine that does other work.
torch.set_num_threads(1)

settings.register_profile(
    "quick",
    max_examples=200,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("thorough", settings.get_profile("quick"), max_examples=5000, derandomize=False)
settings.load_profile("quick")
