"""Rows are worked out once for all tests that look at them."""

import pytest


@pytest.fixture(scope="session")
def work_of():
    """What a row works out, by its name."""
    from experiments.lessons.contents import find

    works = {}

    def work(name):
        if name not in works:
            works[name] = find(name).run()
        return works[name]

    return work
