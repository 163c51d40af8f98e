"""The S3 server that the tests of this folder share, and a bucket for each of them."""

import uuid
from collections.abc import Iterator

import ceph
import pytest
from needs import needs
from s3fs import S3FileSystem


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ceph.Server]:
    needs("s3", ceph.is_installed(), "apt-get install radosgw ceph-mon ceph-osd")
    with ceph.running(tmp_path_factory.mktemp("ceph")) as server:
        yield server


@pytest.fixture
def bucket(s3: ceph.Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """URL of a new bucket; this process has the credentials."""
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    S3FileSystem.clear_instance_cache()  # they hold what the environment said before
    name = f"bucket-{uuid.uuid4().hex[:12]}"
    S3FileSystem().mkdir(name)
    return f"s3://{name}"
