"""The daemon's connection to brokers of every address, and what it says of those that are none."""

import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from consoles.greeting import end_namesakes
from consoles.link import Link, LinkLost, connect
from nanoportal import broker as embedded
from tests.portal import free_port, wait_for


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[int]:
    """The port of a broker on the network that asks for a password."""
    port = free_port()
    words = embedded.command(tmp_path, Path("/nowhere"))
    at = words.index("--port")
    words[at : at + 6] = ["--port", str(port), "--bind", "127.0.0.1", "--requirepass", "secret"]
    process = subprocess.Popen(words)
    wait_for(lambda: reached(port), 10, "the broker to listen")
    yield port
    process.terminate()
    process.wait(10)


def reached(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_broker_on_the_network_with_password_and_database_is_spoken_to(guarded: int) -> None:
    connection = connect(f"redis://:secret@127.0.0.1:{guarded}/3")
    info = connection.ask([("CLIENT", "INFO")])[0]
    assert b" db=3 " in info
    link = Link(connection.socket)
    answers: list[Any] = []
    for n in range(1000):
        link.send("ECHO", f"{n}" * 100, then=answers.append)
    link.flush()
    wait_for(lambda: link.receive() or link.flush() or len(answers) == 1000, 5, "all answers")
    assert answers == [f"{n}".encode() * 100 for n in range(1000)]
    link.close()


def test_a_wrong_password_is_a_refusal_in_words(guarded: int) -> None:
    with pytest.raises(LinkLost, match="The broker refuses: WRONGPASS"):
        connect(f"redis://:wrong@127.0.0.1:{guarded}/0")


def test_a_broker_that_is_not_there_is_away(tmp_path: Path) -> None:
    with pytest.raises(LinkLost, match="The broker is away: No such file"):
        connect(f"unix://{tmp_path}/nobody.sock")
    with pytest.raises(LinkLost, match="The broker is away: Connection refused"):
        connect(f"redis://127.0.0.1:{free_port()}/0")


def test_somebody_else_who_answers_is_no_broker(tmp_path: Path) -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "s"))
    listener.listen()

    def greet() -> None:
        with listener.accept()[0] as visitor:
            visitor.recv(100)
            visitor.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    thread = threading.Thread(target=greet)
    thread.start()
    with pytest.raises(LinkLost, match="what is no reply"):
        connect(f"unix://{tmp_path}/s")
    thread.join()
    listener.close()


def test_a_link_whose_broker_ends_is_lost_and_one_that_owes_an_answer_is_silent() -> None:
    ours, theirs = socket.socketpair()
    link = Link(ours)
    assert link.silent_seconds(1e9) == 0
    link.send("PING", then=lambda reply: None)
    link.flush()
    assert link.silent_seconds(1e9) > 0
    theirs.close()
    with pytest.raises(LinkLost):
        link.receive()
    link.close()


def test_a_broker_that_takes_nothing_does_not_keep_the_sender_waiting() -> None:
    ours, theirs = socket.socketpair()
    link = Link(ours)
    while link.has_room:
        link.send("SET", "x", b"y" * 10_000, then=lambda reply: None)
        link.flush()
    assert link.unsent
    link.close()
    theirs.close()


def test_a_connection_of_our_name_is_ended_and_nobody_elses(guarded: int) -> None:
    url = f"redis://:secret@127.0.0.1:{guarded}/0"
    old, stranger, new = connect(url), connect(url), connect(url)
    end_namesakes(stranger, "consoled-of-another-portal")
    end_namesakes(old, "consoled-ours")
    end_namesakes(new, "consoled-ours")
    assert stranger.ask([("PING",)]) == new.ask([("PING",)]) == [b"PONG"]
    with pytest.raises(LinkLost):
        old.ask([("PING",)])
    for connection in (old, stranger, new):
        connection.socket.close()
