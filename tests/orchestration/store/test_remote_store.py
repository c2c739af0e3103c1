"""A remote store keeps the promises of a folder, for all nodes, on S3 and on fsspec's protocols."""

import json
import logging
import os
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer

from moleflow.errors import StoreError
from moleflow.sealed import seal
from orchestration.records.layout import Root
from orchestration.store.filesystem import FileSystem
from orchestration.store.store import Store, open_store

pytestmark = pytest.mark.slow

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "somebody",
    "AWS_SECRET_ACCESS_KEY": "a secret",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}
Open = Callable[[str], Store]


@pytest.fixture(scope="module", autouse=True)
def credentials() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        yield


def serve() -> tuple[ThreadedMotoServer, str]:
    """A server of S3 with a bucket, and the query that leads there."""
    from pyarrow.fs import S3FileSystem

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"{host}:{port}"
    S3FileSystem(
        endpoint_override=address, scheme="http", allow_bucket_creation=True, region="us-east-1"
    ).create_dir("bucket")
    return server, f"endpoint_override={address}&scheme=http"


@pytest.fixture(scope="module")
def query(credentials: None) -> Iterator[str]:
    server, query = serve()
    yield query
    server.stop()


@pytest.fixture
def s3(query: str) -> str:
    return f"s3://bucket/{uuid.uuid4().hex}/store?{query}"


@pytest.fixture(params=["s3", "memory"])
def uri(request: pytest.FixtureRequest) -> str:
    if request.param == "s3":
        return request.getfixturevalue("s3")
    return f"memory://{uuid.uuid4().hex}/store"


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def on(tmp_path: Path, uri: str, said: list[str]) -> Open:
    """(node) -> the store as a process on that node opens it."""
    return lambda node: open_store(uri, Root.at(tmp_path / node), said.append)


def write(text: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        (folder / "data.txt").write_text(text)

    return make


def must_not_make(folder: Path) -> None:
    pytest.fail("it was there")


def spoil(uri: str, damage: str) -> None:
    """Damage the only entry of a store."""
    files = FileSystem(uri)
    (data,) = [file.path for file in files.listing() if file.path.endswith("data.txt")]
    (manifest,) = [file.path for file in files.listing() if file.path.endswith("manifest.json")]
    match damage:
        case "truncated":
            files.write(data, [b"on"])
        case "flipped":
            files.write(data, [b"onf"])
        case "missing":
            files.delete(data)
        case "no manifest":
            files.delete(manifest)
        case _:
            files.write(manifest, [b"\xff{"])


def test_what_one_node_publishes_another_finds_and_keeps(on: Open, tmp_path: Path) -> None:
    content = bytes(range(256)) * 40_000

    def make(folder: Path) -> None:
        (folder / "maps").mkdir()
        (folder / "maps/large.bin").write_bytes(content)
        (folder / "empty").touch()

    on("node 1").publish("texts", "abcd", make)
    folder, made = on("node 2").get_or_make("texts", "abcd", must_not_make)
    assert not made and folder.is_relative_to(tmp_path / "node 2" / "cache")
    assert (folder / "maps/large.bin").read_bytes() == content
    assert (folder / "empty").read_bytes() == b""
    on("node 1").remove("texts", "abcd")
    assert on("node 2").find("texts", "abcd") == folder
    assert on("node 3").find("texts", "abcd") is None


@pytest.mark.parametrize("damage", ["truncated", "flipped", "missing", "no manifest", "garbled"])
def test_a_damaged_entry_is_said_made_anew_and_whole_for_all(
    on: Open, uri: str, said: list[str], damage: str
) -> None:
    on("node 1").publish("words", "abcd", write("one"))
    spoil(uri, damage)
    folder, made = on("node 2").get_or_make("words", "abcd", write("anew"))
    assert made and (folder / "data.txt").read_text() == "anew"
    assert len(said) == (damage != "no manifest")
    assert all("words/abcd is damaged" in text for text in said)
    again, made = on("node 3").get_or_make("words", "abcd", must_not_make)
    assert (again / "data.txt").read_text() == "anew"


def test_a_damaged_copy_is_fetched_again(on: Open, said: list[str]) -> None:
    on("node 1").publish("words", "abcd", write("one"))
    copy = on("node 2").find("words", "abcd")
    assert copy is not None
    (copy / "data.txt").write_text("onf")
    folder, _ = on("node 2").get_or_make("words", "abcd", must_not_make)
    assert (folder / "data.txt").read_text() == "one"
    assert len(said) == 1 and str(copy) in said[0]


def test_the_second_of_two_writers_leaves_the_firsts(on: Open, uri: str) -> None:
    def slow(folder: Path) -> None:
        write("second")(folder)
        on("node 1").publish("words", "abcd", write("first"))

    on("node 2").publish("words", "abcd", slow)
    folder, _ = on("node 3").get_or_make("words", "abcd", must_not_make)
    assert (folder / "data.txt").read_text() == "first"
    assert len(list(FileSystem(uri).listing())) == 2


def test_a_manifest_cannot_name_files_outside(on: Open, uri: str, tmp_path: Path) -> None:
    on("node 1").publish("words", "abcd", write("one"))
    files = FileSystem(uri)
    (manifest,) = [file.path for file in files.listing() if file.path.endswith("manifest.json")]
    evil = json.loads(b"".join(files.chunks(manifest)))
    evil["files"]["../../../../evil.txt"] = evil["files"].pop("data.txt")
    del evil["sha256"]
    files.write(manifest, [seal(json.dumps(evil))])
    assert on("node 2").find("words", "abcd") is None
    assert not list(tmp_path.rglob("evil.txt"))


def test_entries_can_be_listed_verified_and_removed(on: Open, uri: str) -> None:
    on("node 1").publish("words", "abcd", write("one"))
    spoil(uri, "flipped")
    on("node 1").publish("letters", "abcd", write("two"))
    store, began = on("node 2"), time.time()
    found = {entry.kind: entry for entry in store.verify()}
    assert {kind: entry.damaged for kind, entry in found.items()} == {
        "words": True,
        "letters": False,
    }
    assert found["letters"].key == "abcd" and found["letters"].bytes > 3
    assert abs(found["letters"].modified - began) < 60
    store.set_aside(found["words"])
    assert [entry.kind for entry in store.entries()] == ["letters"]
    store.remove("letters", "abcd")
    store.remove("letters", "abcd")
    assert list(store.entries()) == list(FileSystem(uri).listing()) == []


WRITER = """
import sys
from pathlib import Path
from orchestration.records.layout import Root
from orchestration.store.store import open_store
def make(folder):
    for number in range(1000):
        (folder / f"{number:04}").write_text("half")
open_store(sys.argv[1], Root.at(sys.argv[2])).publish("words", "abcd", make)
"""


def test_an_upload_that_was_killed_leaves_no_entry_and_can_be_collected(
    s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = FileSystem(s3)
    writer = subprocess.Popen([sys.executable, "-c", WRITER, s3, str(tmp_path / "node 1")])
    ends = time.monotonic() + 60
    while not list(files.listing()):
        assert time.monotonic() < ends and writer.poll() is None
        time.sleep(0.02)
    writer.kill()
    writer.wait()
    store = open_store(s3, Root.at(tmp_path / "node 2"))
    assert store.find("words", "abcd") is None
    assert list(store.entries()) == list(store.leftovers()) == []
    store.publish("words", "abcd", write("one"))
    monkeypatch.setattr("orchestration.store.remote.DAY", -1.0)
    for entry in store.leftovers():
        store.remove(entry.kind, entry.key)
    assert len(list(files.listing())) == 2
    assert open_store(s3, Root.at(tmp_path / "node 3")).find("words", "abcd") is not None


@pytest.mark.soak
def test_a_server_that_refuses_or_is_silent_is_named_soon_without_credentials(
    tmp_path: Path,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        with socket.create_server(("127.0.0.1", 0)) as closed:
            refusing = closed.getsockname()[1]
        for port in (refusing, silent.getsockname()[1]):
            where = f"s3://me:hush%2Fhush@bucket/x?endpoint_override=127.0.0.1:{port}&scheme=http"
            began = time.monotonic()
            with pytest.raises(StoreError, match="check the address") as raised:
                open_store(where, Root.at(tmp_path))
            assert time.monotonic() - began < 15
            text = str(raised.value)
            assert f"s3://***@bucket/x?endpoint_override=127.0.0.1:{port}" in text
            assert "hush" not in text


def test_a_server_that_goes_away_leaves_no_half_entry(tmp_path: Path) -> None:
    server, query = serve()
    store = open_store(f"s3://bucket/store?{query}", Root.at(tmp_path))
    server.stop()
    with pytest.raises(StoreError, match="cannot be written"):
        store.publish("words", "abcd", write("one"))
    with pytest.raises(StoreError, match="cannot be read"):
        store.find("words", "abcd")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    ("where", "why"),
    [
        ("s3://nowhere/store?{query}", "no bucket nowhere"),
        ("s3://bucket/store?colour=red", "unknown option colour"),
        ("nonsense://bucket/store", "Protocol not known: nonsense"),
        ("hdfs://127.0.0.1:1/store", "hdfs://127.0.0.1:1/store: cannot be reached"),
    ],
)
def test_an_address_that_cannot_be_opened_is_refused_with_the_reason(
    tmp_path: Path, query: str, where: str, why: str
) -> None:
    with pytest.raises(StoreError, match=why):
        open_store(where.format(query=query), Root.at(tmp_path))


def test_copies_of_two_stores_never_mix(tmp_path: Path) -> None:
    root, key = Root.at(tmp_path), uuid.uuid4().hex
    one, other = (open_store(f"memory://{key}/{name}", root) for name in ("one", "other"))
    one.publish("words", "abcd", write("one"))
    assert other.find("words", "abcd") is None
    again = open_store(f"memory://{key}/one/", root)
    assert again.find("words", "abcd") == one.find("words", "abcd")


PROCESSES = """
import multiprocessing, sys
from pathlib import Path
from orchestration.records.layout import Root
from orchestration.store.store import open_store

def make(folder):
    (folder / "data.txt").write_text("one")

def work(where, root, key):
    open_store(where, Root.at(root)).get_or_make("words", key, make)

if __name__ == "__main__":
    where, root = sys.argv[1:]
    store = open_store(where, Root.at(root))
    store.publish("words", "abcd", make)
    for method, target in (("spawn", work), ("fork", print)):
        child = multiprocessing.get_context(method).Process(target=target, args=(where, root, "ef"))
        child.start()
        child.join(30)
        assert child.exitcode == 0, (method, child.exitcode)
    assert store.find("words", "ef") is not None
"""


def test_processes_with_a_remote_store_end_cleanly(s3: str, tmp_path: Path) -> None:
    script = tmp_path / "processes.py"
    script.write_text(PROCESSES)
    command = [sys.executable, str(script), s3, str(tmp_path / "node")]
    here = {"PYTHONPATH": str(Path(__file__).parents[3])}
    ran = subprocess.run(command, env=os.environ | here, capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stderr) == (0, "")
