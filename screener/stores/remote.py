"""Which filesystem a path or URL leads to, and what its errors mean to a person.

Everything that the program opens by URL goes through `filesystem_of`. Credentials come from the
environment or from the store's own files, never from a URL, which would carry them into every
file and log. Requests that fail in passing (no connection, no answer, 5xx, `SlowDown`) are tried
again by botocore, with exponential backoff and jitter, and cut transfers by s3fs; what still comes
out as an error is one.
"""

import errno
import io
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import fsspec
from fsspec.implementations.local import LocalFileSystem

from screener.errors import ConfigError
from screener.waiting import waiting

S3 = ("s3", "s3a")
SILENT = (
    "It goes on by itself once the store answers; `ls` in a local folder, or a look at the service "
    "behind a URL, says whether it is well."
)
ATTEMPTS = 6  # of a request to S3: some 15 s altogether, and at most 31 s, between them
_LINK = re.compile(r"(?:^|::)([A-Za-z0-9+.-]+)://([^/]*)")
_CHUNK = 1 << 20
_EXISTS = ("PreconditionFailed", "412")
_CONFLICT = ("ConditionalRequestConflict", "OperationAborted", "409")
_PASSING = ("InternalError", "RequestTimeout", "ServiceUnavailable", "SlowDown", *_CONFLICT)
_AGAIN = "run the same command again: what is done is kept"


def filesystem_of(url: str) -> tuple[fsspec.AbstractFileSystem, str]:
    """The filesystem behind a path or URL, which fsspec keeps, and the path in it.

    Raises:
        ConfigError: the URL holds credentials, or what reads it is not installed.
    """
    require_no_credentials(url)
    protocol = _protocol_of(url)
    try:
        filesystem, path = fsspec.core.url_to_fs(url, **options_of(url))
    except ImportError as error:
        name = "'screener[s3]'" if protocol in S3 else f"what fsspec needs for it ({error})"
        raise ConfigError(f"{url}: {protocol}:// needs a package: pip install {name}") from error
    except ValueError as error:
        raise ConfigError(f"cannot open {url}: {error}") from error
    return filesystem, str(path)


@contextmanager
def opened(filesystem: fsspec.AbstractFileSystem, path: str, url: str) -> Iterator[BinaryIO]:
    """A file to be read; of one on another machine it is told when its bytes are long in coming.

    Args:
        filesystem: that it lies in.
        path: there.
        url: that a person knows it by.
    Yields:
        the file, which can be sought in.
    """
    if isinstance(filesystem, LocalFileSystem):
        with filesystem.open(path, "rb") as file:
            yield file
        return
    with waiting(f"{url} to be opened", SILENT):
        file = filesystem.open(path, "rb")
    with file, io.BufferedReader(_Told(file, url), _CHUNK) as told:
        yield told


class _Told(io.RawIOBase):
    """A file whose reads are told when they take long."""

    def __init__(self, file: BinaryIO, url: str) -> None:
        self._file = file
        self._url = url

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._file.seekable()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readinto(self, buffer: Any) -> int:
        with waiting(f"bytes of {self._url}", SILENT):
            data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def options_of(url: str) -> dict[str, Any]:
    """What fsspec is to be told of the filesystem behind a path or URL."""
    protocol = _protocol_of(url)
    options: dict[str, Any] = {}
    if protocol not in ("file", "local"):
        options["use_listings_cache"] = False  # other processes write there
    if protocol in S3:
        options["config_kwargs"] = {"retries": _retries()}
    return options


def _protocol_of(url: str) -> str:
    return url.partition("://")[0] if "://" in url else "file"


def _retries() -> dict[str, Any]:
    """How botocore tries again, where its own variables say nothing else."""
    retries: dict[str, Any] = {}
    if "AWS_RETRY_MODE" not in os.environ:
        retries["mode"] = "standard"
    if "AWS_MAX_ATTEMPTS" not in os.environ:
        retries["total_max_attempts"] = ATTEMPTS
    return retries


def require_no_credentials(url: str) -> None:
    """Raises ConfigError: the URL holds a key or a password; the message does not."""
    for protocol, place in _LINK.findall(url):
        if protocol in S3:
            # a secret may hold slashes, so that no @ is left in the first part
            held = "@" in place or (":" in place and not place.startswith("arn:"))
            instead = (
                "write s3://bucket/folder, and give the credentials in the environment "
                "(AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY) or in ~/.aws/credentials"
            )
        else:
            held = re.search(r":.*@", place) is not None
            instead = (
                "leave them out, and give them in the environment or in a file that fsspec reads "
                f"(FSSPEC_{protocol.upper()}_PASSWORD, ~/.config/fsspec/)"
            )
        if held:
            raise ConfigError(
                f"a {protocol}:// URL holds credentials, which would get into files and logs; "
                f"{instead}"
            )


def failures(*more: type[Exception]) -> tuple[type[Exception], ...]:
    """What operations on a filesystem raise when it fails, and `more`; for `except failures()`."""
    kinds: list[type[Exception]] = [OSError, *more]
    if botocore := sys.modules.get("botocore.exceptions"):  # there once an s3:// URL was opened
        kinds += [botocore.BotoCoreError, botocore.ClientError]
    if aiohttp := sys.modules.get("aiohttp"):  # of S3 and of http://
        kinds.append(aiohttp.ClientError)
    return tuple(kinds)


def exists_already(error: Exception) -> bool:
    """Whether a file was not created because there is one."""
    return isinstance(error, FileExistsError) or _code(error) in _EXISTS


def is_conflict(error: Exception) -> bool:
    """Whether a file was not created because another is being created at this moment."""
    return _code(error) in _CONFLICT


def is_without_bucket(error: Exception) -> bool:
    """Whether not only the file is missing."""
    return _code(error) == "NoSuchBucket"


def reason(error: Exception) -> str:
    """Why it failed and what to do, in one line without credentials."""
    code, name = _code(error), type(error).__name__
    if code == "NoSuchBucket":
        return "there is no such bucket; make it, or correct the URL"
    if name in ("NoCredentialsError", "PartialCredentialsError"):
        return (
            "no credentials are given; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, here and "
            "where the workers run"
        )
    if code and isinstance(error, PermissionError):
        return (
            f"access denied ({code}); check the credentials (AWS_ACCESS_KEY_ID, "
            "AWS_SECRET_ACCESS_KEY) and what they may do there"
        )
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{error}; make room, then {_AGAIN}"
    is_of_client = type(error).__module__.partition(".")[0] in ("botocore", "aiohttp")
    if code is None and isinstance(error, OSError) and not is_of_client:
        return str(error)
    text = f"{code}: {_message(error)}" if code else f"{name}: {error}"
    if code in ("NoSuchKey", "404"):
        return "there is no such object"
    if code is not None and not (code in _PASSING or code.startswith("5")):
        return text
    return (
        f"the store fails, after several attempts too ({text}); see to it that it can be reached "
        f"and is well (AWS_ENDPOINT_URL says where it is), then {_AGAIN}"
    )


def _response(error: Exception) -> dict[str, Any]:
    """What a service that speaks S3 said; empty for other errors."""
    for each in (error, error.__cause__):
        response = getattr(each, "response", None)
        if isinstance(response, dict) and isinstance(response.get("Error"), dict):
            details: dict[str, Any] = response["Error"]
            return details
    return {}


def _code(error: Exception) -> str | None:
    """What the service called the error."""
    code = _response(error).get("Code")
    return None if code is None else str(code)


def _message(error: Exception) -> str:
    return str(_response(error).get("Message") or error)
