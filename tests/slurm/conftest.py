import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from needs import needs

sys.path.insert(0, str(Path(__file__).parent))
import one_node


@pytest.fixture(scope="session")
def slurm_node() -> Iterator[one_node.OneNode]:
    """A Slurm of one node with the partitions `cpu` and `gpu`, shared by all tests."""
    needs("slurm", one_node.is_installed(), one_node.HOW)
    node = one_node.OneNode()
    try:
        node.start()
        yield node
    finally:
        node.stop()


@pytest.fixture
def slurm(
    slurm_node: one_node.OneNode, monkeypatch: pytest.MonkeyPatch
) -> Iterator[one_node.OneNode]:
    """The same, with this process's environment set up for it; leaves no job behind."""
    for name, value in slurm_node.environment.items():
        monkeypatch.setenv(name, value)
    yield slurm_node
    slurm_node.wait_until_empty()
