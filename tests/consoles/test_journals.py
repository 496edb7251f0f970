"""Bytes of a UART in the broker: every one of them, once, in order, or a gap of exact size."""

import redis

from tests.consoles.rig import Hands, Reader, Som, Start


def test_what_a_system_prints_is_in_the_journal(serve: Start, som: Som, reader: Reader) -> None:
    serve(som.path).wait_connected()
    som.send(b"login: ")
    reader.wait_data(b"login: ")
    assert reader.data() == b"login: "
    assert reader.markers() == [("daemon-away", "The console daemon listens from here on.")]


def test_what_somebody_types_reaches_the_system(serve: Start, som: Som, client: "redis.Redis") -> None:
    import os

    serve(som.path).wait_connected()
    Hands(client).type(b"root\r")
    assert os.read(som.far, 100) == b"root\r"
