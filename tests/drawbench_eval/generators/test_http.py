import base64
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain
from typing import Any

import numpy as np
import pytest
from outside_model import batch, made, picture, png

from drawbench_eval.generators import http as module
from drawbench_eval.generators.base import Streaming
from drawbench_eval.generators.http import HttpGenerator, HttpSettings, make

Answer = tuple[int, str, bytes]


class Server(ThreadingHTTPServer):
    """Answers each question as `answers` say in turn, and the last of them from then on."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: list[Callable[[Mapping[str, Any]], Answer]] = [drawn]
        self.questions: list[dict[str, Any]] = []
        self.headers: list[Mapping[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/a path?x=1"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        server = self.server
        assert isinstance(server, Server)
        server.headers.append(dict(self.headers))
        server.questions.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        number = min(len(server.questions), len(server.answers))
        code, kind, body = server.answers[number - 1](server.questions[-1])
        if code == 0:
            # A server that dies in the middle of its answer.
            self.close_connection = True
            return
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body) if code != 206 else len(body) + 9))
        if code in (302, 307):
            self.send_header("Location", "/elsewhere")
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = code == 206

    def log_message(self, *_: object) -> None:
        pass


def images(question: Mapping[str, Any]) -> list[str]:
    shade = question["settings"].get("shade", 0)
    pairs = zip(question["prompts"], question["seeds"], strict=True)
    return [base64.b64encode(png(picture(prompt, seed, shade))).decode() for prompt, seed in pairs]


def json_of(value: object) -> Answer:
    return 200, "application/json", json.dumps(value).encode()


def drawn(question: Mapping[str, Any]) -> Answer:
    return json_of({"images": images(question)})


def always(code: int, kind: str = "text/plain", body: bytes = b"") -> Callable[[Mapping[str, Any]], Answer]:
    return lambda _question: (code, kind, body)


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield running
    running.shutdown()
    thread.join()
    running.server_close()


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long was waited between tries; nobody waits."""
    waited: list[float] = []
    monkeypatch.setattr(module.time, "sleep", waited.append)
    return waited


def generator(server: Server, **settings: Any) -> HttpGenerator:
    settings = {"url": server.url.replace(" ", "%20"), "version": "v1", **settings}
    return make(HttpSettings(**settings), device="cpu", precision="float32")


def check(model: HttpGenerator, count: int = 3, shade: int = 0, batch_size: int = 2) -> None:
    requests = batch(count)
    for image, request in zip(made(model, requests, batch_size), requests, strict=True):
        np.testing.assert_array_equal(image, picture(request.prompt, request.seed, shade))


def test_a_server_is_asked_batch_by_batch(server: Server) -> None:
    model = generator(server, settings={"shade": 100})
    assert isinstance(model, Streaming)
    check(model, shade=100)
    assert [len(question["prompts"]) for question in server.questions] == [2, 1]
    assert server.questions[1] == {
        "prompts": ['"text", 2\nü'],
        "seeds": [2**62 + 2],
        "sample_ids": ["p 2/ü-00"],
        "settings": {"shade": 100},
    }
    assert "Authorization" not in server.headers[0]
    assert model.label == "127.0.0.1-v1"


def test_a_batch_of_one_may_be_answered_with_the_image(server: Server) -> None:
    server.answers = [lambda q: (200, "image/png", base64.b64decode(images(q)[0]))]
    check(generator(server), batch_size=1)
    with pytest.raises(
        ValueError, match=r"answered one image to 2 prompts; write batch_size=1, or answer with JSON"
    ):
        check(generator(server), batch_size=2)


def test_images_may_be_data_addresses(server: Server) -> None:
    server.answers = [
        lambda q: json_of({"images": [f"data:image/png;base64,{image}" for image in images(q)]})
    ]
    check(generator(server))


@pytest.mark.parametrize(
    "failure", [always(500), always(503, body=b"busy"), always(429), always(0), always(206)]
)
def test_a_server_that_recovers_is_asked_again_after_longer_and_longer(
    server: Server, waits: list[float], failure: Callable[[Mapping[str, Any]], Answer]
) -> None:
    server.answers = [failure, failure, drawn]
    check(generator(server, backoff_s=0.5))
    assert waits == [0.5, 1.0]
    assert server.questions[0] == server.questions[2]


def test_waits_do_not_grow_beyond_a_minute(server: Server, waits: list[float]) -> None:
    server.answers = [always(500)]
    with pytest.raises(
        ValueError, match=r"failed 9 times, from p 0/ü-00 on \(500 Internal Server Error: nothing"
    ):
        check(generator(server, retries=8))
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]


def test_a_server_that_dies_leaves_what_it_made(server: Server, waits: list[float]) -> None:
    server.answers = [drawn, always(0)]
    finished: list[Any] = []
    with pytest.raises(
        ValueError, match=r"^model\.url: http://.* failed 3 times, from p 2/ü-00 on .*; what is made"
    ):
        finished.extend(chain.from_iterable(generator(server, retries=2).stream(batch(4), batch_size=2)))
    assert [request.sample_id for request, _ in finished] == ["p 0/ü-00", "p 1/ü-00"]


def test_an_address_where_nothing_answers_is_named(server: Server, waits: list[float]) -> None:
    gone = Server()
    gone.server_close()
    with pytest.raises(ValueError, match=r"failed 2 times, from p 0/ü-00 on \(.*refused.*\)"):
        check(generator(gone, retries=1))


def test_a_server_that_is_too_slow_is_given_up(server: Server, waits: list[float]) -> None:
    answered = threading.Event()

    def slow(question: Mapping[str, Any]) -> Answer:
        answered.wait(20)
        return always(0)(question)

    server.answers = [slow]
    with pytest.raises(ValueError, match=r"failed 1 times, from p 0/ü-00 on \(timed out\)"):
        check(generator(server, retries=0, timeout_s=0.2))
    answered.set()


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (always(400, body=b"no such\nmodel"), r"answered 400 Bad Request: no such model$"),
        (always(404), r"answered 404 Not Found: nothing more$"),
        (always(302), r"answered 302 Found: nothing more$"),
        (always(307), r"answered 307 Temporary Redirect: nothing more$"),
        (always(200, "text/html", b"<html>"), r"answered neither JSON nor an image \(text/html: <html>\)$"),
        (lambda q: json_of([1]), r'answered JSON without a list "images" \(\[1\]\)$'),
        (lambda q: json_of({"images": "x"}), r'answered JSON without a list "images"'),
        (lambda q: json_of({"images": images(q)[:1]}), r"answered 1 images to 2 prompts$"),
        (lambda q: json_of({"images": ["%", "%"]}), r"answered an image that is not base64"),
        (
            lambda q: json_of({"images": [None, None]}),
            r"answered an image as NoneType; it must be the file in base64",
        ),
        (lambda q: json_of({"images": ["AAAA", "AAAA"]}), r"answered p 0/ü-00: not a readable image"),
    ],
)
def test_what_is_no_answer_is_told_in_one_line_and_not_asked_again(
    server: Server, waits: list[float], answer: Callable[[Mapping[str, Any]], Answer], message: str
) -> None:
    server.answers = [answer]
    with pytest.raises(ValueError, match=message) as caught:
        check(generator(server))
    assert str(caught.value).startswith(f"model.url: {server.url.replace(' ', '%20')} ")
    assert "\n" not in str(caught.value)
    assert (len(server.questions), waits) == (1, [])


def test_a_token_is_sent_and_not_recorded(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_TOKEN", "se-cret")
    model = generator(server, token_env="MY_TOKEN")
    check(model)
    assert server.headers[0]["Authorization"] == "Bearer se-cret"
    assert "se-cret" not in repr(model.identity)
    assert model.identity == generator(server).identity


def test_this_machine_is_asked_directly(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    check(generator(server, retries=0))


def test_address_version_and_settings_say_which_model_it_is(server: Server) -> None:
    plain = dict(generator(server).identity)
    assert generator(server, timeout_s=1, retries=0, backoff_s=0).identity == plain
    assert generator(server, settings={"shade": 1}).identity == plain | {"model.settings.shade": 1}
    assert generator(server, version="v2").identity != plain


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"url": "127.0.0.1:8000"}, r"^url: '127\.0\.0\.1:8000' is not an address such as http"),
        ({"url": "file:///etc/passwd"}, r"^url: 'file:///etc/passwd' is not an address"),
        ({"url": "http://"}, r"^url: 'http://' is not an address"),
        ({"url": "http://a:b"}, r"^url: 'http://a:b' is not an address"),
        ({"url": "http://me:pass@a/"}, r"^url: an address is recorded; keep secrets out of it"),
        ({"timeout_s": 0}, r"^timeout_s: 0 is not above 0"),
        ({"retries": -1}, r"^retries: -1 and backoff_s 1 must be at least 0"),
        ({"token_env": "NOT_SET_ANYWHERE"}, r"^token_env: NOT_SET_ANYWHERE is not set in the environment"),
    ],
)
def test_bad_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        HttpSettings(**{"url": "http://127.0.0.1:1/", "version": "1", **settings})
