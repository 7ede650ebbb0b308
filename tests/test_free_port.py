"""Ports for the servers of tests."""

import random

from tests.support.processes import free_port


def test_two_processes_that_train_with_the_same_seed_get_other_ports() -> None:
    """Both workers, and every run of the tests, train with the same seeds, which they give to `random`, too."""
    found = []
    for _process in range(2):
        random.seed(3)
        found.append([free_port() for _server in range(3)])
    assert found[0] != found[1]
