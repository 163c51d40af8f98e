"""A store that answers slowly or with errors now and then: a proxy in front of the S3 server.

Each request is passed on as it came, or meets one of the faults below, drawn by a seeded generator.
"""

import http.client
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from ceph import Server

SLOW_DOWN = (
    b'<?xml version="1.0" encoding="UTF-8"?>'
    b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
)
FAULTS = (
    "unheard",  # the connection is closed before the request was passed on
    "unanswered",  # after it was carried out
    "cut",  # in the middle of the answer's body
    "slow down",  # 503 with SlowDown
    "error",  # 500 without a word
    "delayed",
)


class Proxy(ThreadingHTTPServer):
    """The server; `seen` counts what requests met.

    Args:
        target: the S3 server.
        probability: by fault, of each request.
        seed: of the generator.
        first: what the first requests meet, one after another.
        ignores_conditions: pass requests on without If-None-Match.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(
        self,
        target: Server,
        probability: Mapping[str, float],
        seed: int,
        first: Sequence[str],
        ignores_conditions: bool,
    ) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.target = target
        self.probability = dict(probability)
        self.first = list(first)
        self.ignores_conditions = ignores_conditions
        self.seen: Counter[str] = Counter()
        self._random = random.Random(seed)
        self._lock = threading.Lock()

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which clients come through here."""
        return self.target.behind(int(self.server_address[1]))

    def draw(self, method: str) -> str:
        """What the next request meets."""
        with self._lock:
            at = self._random.random()
            met = "passed"
            for fault, probability in self.probability.items():
                if 0 <= at < probability:
                    met = fault
                at -= probability
            if self.first:
                met = self.first.pop(0)
            if met == "cut" and method != "GET":
                met = "unanswered"
            self.seen[met] += 1
            return met

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that was killed has left its connections; that is no news."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # headers and body are sent by themselves
    server: Proxy

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        met = self.server.draw(self.command)
        if met == "delayed":
            time.sleep(0.2)
        if met == "unheard":
            self.close_connection = True
        elif met in ("slow down", "error"):
            self.reply(*((503, SLOW_DOWN) if met == "slow down" else (500, b"")))
        else:
            status, headers, content = self.pass_on(body)
            if met == "unanswered":
                self.close_connection = True
            else:
                self.reply(status, content, headers, cut=met == "cut")

    def pass_on(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        target = self.server.target
        connection = http.client.HTTPConnection("127.0.0.1", target.port, timeout=120)
        connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        headers = self.headers.items()
        if self.server.ignores_conditions:
            headers = self.signed_anew(body)
        for name, value in headers:
            connection.putheader(name, value)
        connection.endheaders(body)
        with connection.getresponse() as response:
            content = response.read()
            headers = [
                (name, value)
                for name, value in response.getheaders()
                if name.lower() not in ("transfer-encoding", "connection")
            ]
        connection.close()
        return response.status, headers, content

    def signed_anew(self, body: bytes) -> list[tuple[str, str]]:
        """The headers without the condition, which the client's signature covers."""
        left_out = ("if-none-match", "authorization", "x-amz-date", "x-amz-content-sha256")
        kept = {n: v for n, v in self.headers.items() if n.lower() not in left_out}
        request = AWSRequest(self.command, f"http://{kept['Host']}{self.path}", kept, body)
        target = self.server.target
        S3SigV4Auth(Credentials(target.key, target.secret), "s3", "us-east-1").add_auth(request)
        return list(request.headers.items())

    def reply(
        self,
        status: int,
        content: bytes,
        headers: list[tuple[str, str]] | None = None,
        cut: bool = False,
    ) -> None:
        self.send_response_only(status)
        headers = headers or []
        for name, value in headers:
            self.send_header(name, value)
        if "content-length" not in {name.lower() for name, _ in headers}:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if cut else content)
        if cut:
            self.close_connection = True

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = answer


@contextmanager
def proxy(
    target: Server,
    probability: Mapping[str, float],
    *,
    seed: int = 0,
    first: Sequence[str] = (),
    ignores_conditions: bool = False,
) -> Iterator[Proxy]:
    """The proxy for as long as the context; see there."""
    with Proxy(target, probability, seed, first, ignores_conditions) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
