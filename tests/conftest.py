"""How long Hypothesis tries: as short as every run can bear, or ``--hypothesis-profile=thorough``."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "quick",
    max_examples=100,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("thorough", settings.get_profile("quick"), max_examples=2500, derandomize=False)
settings.load_profile("quick")
