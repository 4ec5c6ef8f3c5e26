import hashlib
import http.server
import io
import os
import pickle
import random
import re
import resource
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch

from drawbench_eval import weights
from drawbench_eval.files import sha256_file
from drawbench_eval.weights import (
    INCEPTION,
    KNOWN,
    WeightsSettings,
    WeightsSpec,
    default_cache,
    find_weights,
    load_state,
)

CONTENT = random.Random(0).randbytes(3_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers by the path's first part."""

    protocol_version = "HTTP/1.1"
    server: "Server"

    def do_GET(self) -> None:
        kind = self.path.split("/")[1]
        self.server.asked.append(kind)
        self.close_connection = True
        getattr(self, kind)()

    def log_message(self, *_: object) -> None:
        pass

    def answer(self, data: bytes, length: int) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(data)

    def good(self) -> None:
        self.answer(CONTENT, len(CONTENT))

    def moved(self) -> None:
        self.send_response(302)
        self.send_header("Location", "/good/weights.pth")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def other(self) -> None:
        self.answer(b"<html>maintenance</html>", 24)

    def missing(self) -> None:
        self.send_error(404)

    def broken(self) -> None:
        self.send_error(500)

    def cut(self) -> None:
        self.answer(CONTENT[:2_000_000], len(CONTENT))

    def chunked(self) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        # The end never comes.
        self.wfile.write(b"5\r\nhello\r\n100000\r\nworld")

    def babble(self) -> None:
        self.wfile.write(b"220 smtp ready\r\n")

    def stall(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[:1000])
        assert self.server.may_end.wait(60)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = False
    block_on_close = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str] = []
        self.may_end = threading.Event()

    def handle_error(self, *_: object) -> None:
        """Clients that hang up are part of the tests."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.may_end.set()
        running.shutdown()
        thread.join()


def spec(server: Server, kind: str, sha256: str = SHA256[:8]) -> WeightsSpec:
    url = f"http://127.0.0.1:{server.server_port}/{kind}/weights.pth"
    return WeightsSpec(setting="inception", url=url, sha256=sha256, licence="none")


@dataclass
class Payload:
    """What makes a folder when it is unpickled."""

    folder: Path
    called: Callable[[str], None] = field(default=os.mkdir)

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return self.called, (str(self.folder),)


def saved(state: object, **options: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(state, buffer, **options)
    return buffer.getvalue()


def torch_unpickles(path: Path) -> object:
    return torch.load(path, weights_only=False)


def python_unpickles(path: Path) -> object:
    return pickle.loads(path.read_bytes())  # noqa: S301 (what load_state must not do)


@pytest.mark.parametrize("kind", ["good", "moved"])
@pytest.mark.parametrize("digits", [8, 64])
def test_a_file_is_fetched_once_and_checked(tmp_path: Path, server: Server, kind: str, digits: int) -> None:
    wanted = spec(server, kind, SHA256[:digits])
    found = find_weights(wanted, path=None, cache=tmp_path / "new" / "cache")
    assert found.path == tmp_path / "new" / "cache" / "weights.pth"
    assert found.path.read_bytes() == CONTENT
    assert found.sha256 == SHA256
    assert found.verified
    asked = len(server.asked)
    assert find_weights(wanted, path=None, cache=tmp_path / "new" / "cache") == found
    assert len(server.asked) == asked
    assert os.listdir(found.path.parent) == ["weights.pth"]


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing", r"cannot be fetched \(Not Found\); fetch it elsewhere and give weights\.inception=PATH"),
        ("broken", r"cannot be fetched \(Internal Server Error\); fetch it elsewhere"),
        ("cut", r"cannot be fetched \(IncompleteRead\(.*1000000 more expected\)\); fetch it elsewhere"),
        ("chunked", r"cannot be fetched \(IncompleteRead\(.*\)\); fetch it elsewhere"),
        ("babble", r"cannot be fetched \(220 smtp ready.*\); fetch it elsewhere"),
        ("other", r"gave a file of SHA-256 [0-9a-f]{16}\.\.\., not " + SHA256[:8] + r"\.\.\.; not kept"),
    ],
)
@pytest.mark.parametrize("allow_unverified", [False, True])
def test_a_download_that_fails_says_why_and_leaves_nothing(
    tmp_path: Path, server: Server, kind: str, message: str, allow_unverified: bool
) -> None:
    wanted = spec(server, kind)
    with pytest.raises(ValueError, match=message) as caught:
        find_weights(wanted, path=None, cache=tmp_path, allow_unverified=allow_unverified)
    assert str(caught.value).startswith(f"weights.inception: {wanted.url} ")
    assert "\n" not in str(caught.value)
    assert os.listdir(tmp_path) == []
    # A later attempt begins anew.
    assert find_weights(spec(server, "good"), path=None, cache=tmp_path).verified


def test_a_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        # Bound, but not listening.
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/weights.pth"
        wanted = WeightsSpec(setting="inception", url=url, sha256="00", licence="none")
        with pytest.raises(ValueError, match=r"cannot be fetched \(.*Connection refused\)") as caught:
            find_weights(wanted, path=None, cache=tmp_path)
    assert str(caught.value).startswith(f"weights.inception: {url} ")
    assert os.listdir(tmp_path) == []


def test_a_server_that_falls_silent_is_given_up(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "_TIMEOUT_S", 0.2)
    with pytest.raises(ValueError, match=r"cannot be fetched \(timed out\)"):
        find_weights(spec(server, "stall"), path=None, cache=tmp_path)
    assert os.listdir(tmp_path) == []


def test_a_disk_that_does_not_take_the_file_is_named(tmp_path: Path, server: Server) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    try:
        with pytest.raises(ValueError, match=r"cannot be fetched \(.*File too large\)"):
            find_weights(spec(server, "good"), path=None, cache=tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert os.listdir(tmp_path) == []


def test_two_that_fetch_at_once_both_get_the_whole_file(tmp_path: Path, server: Server) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(
            pool.map(lambda _: find_weights(spec(server, "good"), path=None, cache=tmp_path), range(4))
        )
    assert {one.sha256 for one in found} == {SHA256}
    assert os.listdir(tmp_path) == ["weights.pth"]


def test_a_given_path_is_used_without_asking_anybody(tmp_path: Path, server: Server) -> None:
    path = tmp_path / "mine.bin"
    path.write_bytes(CONTENT)
    found = find_weights(spec(server, "missing"), path=path, cache=tmp_path / "cache")
    assert (found.path, found.sha256, found.verified) == (path, SHA256, True)
    assert server.asked == []
    assert not (tmp_path / "cache").exists()


def test_a_given_path_without_a_file_is_refused(tmp_path: Path, server: Server) -> None:
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "gone", tmp_path / "folder"):
        message = rf"^weights\.inception: {re.escape(str(path))} is not a file; give the file weights\.pth$"
        with pytest.raises(ValueError, match=message):
            find_weights(spec(server, "good"), path=path, cache=tmp_path, allow_unverified=True)
    assert server.asked == []


@pytest.mark.parametrize("where", ["given", "cached"])
def test_a_file_of_another_hash_is_used_only_where_that_is_allowed(
    tmp_path: Path, server: Server, where: str
) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(b"other weights")
    given = path if where == "given" else None
    with pytest.raises(ValueError, match=r"weights\.allow_unverified=true uses it") as caught:
        find_weights(spec(server, "good"), path=given, cache=tmp_path)
    hashed = sha256_file(path)
    assert str(caught.value).startswith(
        f"weights.inception: {path} has the SHA-256 {hashed[:16]}..., not the"
    )
    found = find_weights(spec(server, "good"), path=given, cache=tmp_path, allow_unverified=True)
    assert (found.path, found.sha256, found.verified) == (path, hashed, False)
    # What the user put there stays.
    assert path.read_bytes() == b"other weights"
    assert server.asked == []


def test_settings_find_what_they_name(tmp_path: Path, server: Server) -> None:
    mine = tmp_path / "mine.bin"
    mine.write_bytes(b"mine")
    wanted = spec(server, "good")
    assert WeightsSettings(cache=tmp_path / "cache").find(wanted).path == tmp_path / "cache" / "weights.pth"
    given = WeightsSettings(inception=mine, cache=tmp_path / "cache", allow_unverified=True).find(wanted)
    assert (given.path, given.verified) == (mine, False)
    with pytest.raises(ValueError, match="allow_unverified"):
        WeightsSettings(inception=mine).find(wanted)


def test_the_cache_is_the_users_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert WeightsSettings().folder == default_cache() == tmp_path / "xdg" / "drawbench-eval"
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert default_cache() == tmp_path / "home" / ".cache" / "drawbench-eval"
    assert WeightsSettings(cache=tmp_path).folder == tmp_path


def test_every_known_file_has_a_setting_and_a_hash() -> None:
    assert INCEPTION.file_name == "weights-inception-2015-12-05-6726825d.pth"
    for known in KNOWN:
        assert hasattr(WeightsSettings(), known.setting)
        assert re.fullmatch(r"[0-9a-f]{8,64}", known.sha256)
        assert known.url.startswith("https://")
        assert known.sha256[:8] in known.file_name


@pytest.mark.parametrize("options", [{}, {"_use_new_zipfile_serialization": False}])
def test_tensors_come_back_as_they_were_saved(tmp_path: Path, options: dict[str, object]) -> None:
    state = {"a.weight": torch.arange(6.0).reshape(2, 3), "b": torch.tensor(7, dtype=torch.int64)}
    (tmp_path / "a.pth").write_bytes(saved(state, **options))
    read = load_state(tmp_path / "a.pth")
    assert list(read) == ["a.weight", "b"]
    torch.testing.assert_close(read["a.weight"], state["a.weight"], rtol=0, atol=0)
    assert read["b"] == 7


@pytest.mark.parametrize(
    ("dress", "unpickle"),
    [
        (lambda payload: saved({"a": torch.zeros(2), "b": payload}), torch_unpickles),
        (
            lambda payload: saved({"a": torch.zeros(2), "b": payload}, _use_new_zipfile_serialization=False),
            torch_unpickles,
        ),
        (saved, torch_unpickles),
        (lambda payload: pickle.dumps(payload, protocol=2), python_unpickles),
        (lambda payload: pickle.dumps({"a": payload}, protocol=4), python_unpickles),
    ],
)
def test_a_pickle_dressed_as_weights_is_never_executed(
    tmp_path: Path, dress: Callable[[Payload], bytes], unpickle: Callable[[Path], object]
) -> None:
    made = tmp_path / "made"
    path = tmp_path / "weights.pth"
    path.write_bytes(dress(Payload(made)))
    with pytest.raises(ValueError, match=r"not a file of tensors \(damaged, or it holds more") as caught:
        load_state(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    assert not made.exists()
    # The payload is live: whoever unpickles the file is struck.
    unpickle(path)
    assert made.exists()


def test_a_pickle_given_as_weights_is_not_executed_where_any_hash_is_allowed(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(saved({"a": Payload(tmp_path / "made")}))
    found = WeightsSettings(inception=path, allow_unverified=True).find(INCEPTION)
    assert not found.verified
    with pytest.raises(ValueError, match="not a file of tensors"):
        load_state(found.path)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("data", [b"", b"hello", b"PK\x03\x04" + bytes(50), b"\x80\x02", b"<html></html>"])
def test_what_is_no_file_of_tensors_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.pth").write_bytes(data)
    with pytest.raises(ValueError, match=r"a\.pth: not a file of tensors \(.+\)") as caught:
        load_state(tmp_path / "a.pth")
    assert "\n" not in str(caught.value)


def test_a_folder_is_no_file_of_tensors(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"not a file of tensors \(IsADirectoryError"):
        load_state(tmp_path)


@pytest.mark.parametrize(
    ("state", "kind"),
    [([torch.zeros(2)], "list"), (torch.zeros(2), "Tensor"), ({"model": {"a": torch.zeros(2)}}, "dict")],
)
def test_tensors_without_names_are_refused(tmp_path: Path, state: object, kind: str) -> None:
    (tmp_path / "a.pth").write_bytes(saved(state))
    with pytest.raises(ValueError, match=rf"a\.pth: not a file of named tensors; it holds a {kind}$"):
        load_state(tmp_path / "a.pth")


@pytest.mark.parametrize("options", [{}, {"_use_new_zipfile_serialization": False}])
def test_no_damage_leads_to_another_error(tmp_path: Path, options: dict[str, object]) -> None:
    whole = saved({"a.weight": torch.ones(3, 4), "b": torch.zeros(2)}, **options)
    draw = random.Random(0)
    path = tmp_path / "a.pth"
    messages = []
    for attempt in range(150):
        data = bytearray(whole)
        if attempt % 3 == 0:
            data = data[: draw.randrange(len(data))]
        else:
            for _ in range(draw.choice([1, 3, 20])):
                data[draw.randrange(len(data))] = draw.randrange(256)
        path.write_bytes(data)
        try:
            load_state(path)
        except ValueError as error:
            messages.append(str(error))
    assert len(messages) > 100
    assert all(message.startswith(f"{path}: not a file of ") for message in messages)
    assert not any("\n" in message for message in messages)
