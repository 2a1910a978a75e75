"""What has no hand-written gradient is refused by name, and never replaced by PyTorch's."""

import pytest

from manualnet import functional as F


def test_the_error_says_where_the_function_exists():
    with pytest.raises(
        AttributeError, match=r"no hand-written 'silu'; torch.nn.functional.silu exists, with a gradient"
    ):
        _ = F.silu
    with pytest.raises(AttributeError, match=r"no hand-written 'cumsum'; torch.cumsum exists, with a gradient"):
        _ = F.cumsum


def test_a_name_that_nobody_has_is_not_looked_for_elsewhere():
    with pytest.raises(AttributeError, match=r"no hand-written 'sigmiod'$"):
        _ = F.sigmiod
