import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from needs import needs

sys.path.insert(0, str(Path(__file__).parent))
import one_machine


@pytest.fixture(scope="session")
def slurm_machine() -> Iterator[one_machine.SlurmMachine]:
    """A Slurm of one machine with the partitions `cpu` and `gpu`, shared by all tests."""
    needs("slurm", one_machine.is_installed(), one_machine.HOW)
    node = one_machine.SlurmMachine()
    try:
        node.start()
        yield node
    finally:
        node.stop()


@pytest.fixture
def slurm(
    slurm_machine: one_machine.SlurmMachine, monkeypatch: pytest.MonkeyPatch
) -> Iterator[one_machine.SlurmMachine]:
    """The same, with this process's environment set up for it; leaves no job behind."""
    for name, value in slurm_machine.environment.items():
        monkeypatch.setenv(name, value)
    yield slurm_machine
    slurm_machine.wait_until_empty()
