"""Keys on their way to a UART: at most once, in order, never late, and never in the way of others."""

import os
import select
import threading
import time
from pathlib import Path

import pytest
import redis

from consoles import journal, keyboard
from hardware.simulator.uart import Uart
from tests.consoles.rig import SOON, Hands, Reader, Som, Start
from tests.flows.broker import Broker
from tests.portal import wait_for


def heard(som: Som, count: int, seconds: float = SOON) -> bytes:
    data = b""
    deadline = time.monotonic() + seconds
    while len(data) < count and select.select([som.far], [], [], max(0, deadline - time.monotonic()))[0]:
        data += os.read(som.far, 4096)
    return data


def test_what_somebody_types_reaches_the_system_in_order(serve: Start, som: Som, client: "redis.Redis") -> None:
    serve(som.path).wait_connected()
    hands = Hands(client)
    for word in (b"root\r", b"uname -a\r", bytes(range(256))):
        hands.type(word)
    assert heard(som, 270) == b"root\runame -a\r" + bytes(range(256))


def test_keys_find_the_slot_they_were_meant_for(serve: Start, som: Som, tmp_path: Path, client: "redis.Redis") -> None:
    other = Som(tmp_path / "other")
    serve(som.path, other.path).wait_connected()
    Hands(client, slot=3).type(b"three")
    assert heard(other, 5) == b"three"
    assert not select.select([som.far], [], [], 0)[0]
    other.close()


def test_what_was_typed_while_no_daemon_ran_is_not_typed_later(serve: Start, som: Som, client: "redis.Redis") -> None:
    hands = Hands(client)
    hands.type(b"reboot\r")
    serve(som.path).wait_connected()
    hands.type(b"ls\r")
    assert heard(som, 3) == b"ls\r"


def test_what_was_typed_does_not_stay_in_the_broker(serve: Start, som: Som, client: "redis.Redis") -> None:
    serve(som.path).wait_connected()
    hands = Hands(client)
    for n in range(600):
        hands.type(b"%03d" % n)
    assert heard(som, 1800) == b"".join(b"%03d" % n for n in range(600))
    wait_for(lambda: client.xlen(journal.keys_stream("b1")) <= 300, SOON, "taken keys to be forgotten")


def test_keys_that_are_late_are_refused_and_counted(
    serve: Start, som: Som, reader: Reader, client: "redis.Redis"
) -> None:
    serve(som.path).wait_connected()
    fields = {"s": 2, "k": "data", "d": b"reboot\r", "p": "olga", "o": "s", "t": f"{time.monotonic() - 6:.6f}"}
    client.xadd(journal.keys_stream("b1"), {**fields, "b": keyboard._BOOT})
    assert reader.wait_kind("keys-late") == "7 typed bytes were not sent: they came too late."
    Hands(client).type(b"x")
    assert heard(som, 1) == b"x"


def test_keys_that_waited_in_a_hung_broker_are_typed_once_if_it_wakes_soon(
    serve: Start, som: Som, client: "redis.Redis", private_broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("consoles.uplink.SILENT_SECONDS", 0.2)
    monkeypatch.setattr("consoles.link.CONNECT_SECONDS", 0.2)
    serving = serve(som.path).wait_connected()
    hands = Hands(client)
    hands.type(b"1")
    assert heard(som, 1) == b"1"
    with private_broker.hung():
        som.send(b"something to confirm")
        typing = threading.Thread(target=hands.type, args=(b"2",))
        typing.start()
        uplink = serving.daemon.uplink
        wait_for(lambda: uplink and not uplink.connected, SOON, "the broker to be away")
    typing.join(SOON)
    hands.type(b"3")
    assert heard(som, 3, 1) == b"23"


def test_a_broker_that_lost_its_memory_has_new_keys_only(
    serve: Start, som: Som, client: "redis.Redis", private_broker: Broker, reader: Reader
) -> None:
    serve(som.path).wait_connected()
    Hands(client).type(b"old")
    assert heard(som, 3) == b"old"
    private_broker.kill()
    private_broker.start()
    wait_for(lambda: reader.epochs(), SOON, "the daemon to be back")
    Hands(client).type(b"new")
    assert heard(som, 3) == b"new"


def test_keys_are_found_after_a_broker_lost_its_memory_and_its_clock_was_set_back(
    serve: Start, som: Som, client: "redis.Redis", private_broker: Broker, reader: Reader
) -> None:
    serve(som.path).wait_connected()
    Hands(client).type(b"old")
    assert heard(som, 3) == b"old"
    private_broker.kill()
    private_broker.start()
    wait_for(lambda: reader.epochs(), SOON, "the daemon to be back")
    fields = {"s": 2, "k": "data", "d": b"new", "p": "olga", "o": "s", "t": f"{time.monotonic():.6f}"}
    client.xadd(journal.keys_stream("b1"), {**fields, "b": keyboard._BOOT}, id="1000-0")
    assert heard(som, 3) == b"new"


def test_a_line_that_takes_no_more_keeps_nobody_waiting_and_what_is_too_old_is_never_sent(
    serve: Start, som: Som, tmp_path: Path, reader: Reader, client: "redis.Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("consoles.lines.LATE_SECONDS", 0.3)
    other = Som(tmp_path / "other")
    serve(som.path, other.path).wait_connected()
    hands, quick = Hands(client), Hands(client, slot=3)
    for _ in range(12):
        hands.type(b"x" * 4096)  # nobody reads them: the pseudo-terminal is full after a few
    quick.type(b"y")
    assert heard(other, 1, 1) == b"y"
    assert reader.wait_kind("keys-late").endswith("the line did not take them in time.")

    def refused() -> int:  # perhaps not all at once
        return sum(int(words.split()[0]) for kind, words in reader.markers() if kind == "keys-late")

    taken = len(heard(som, 12 * 4096 - refused(), 5))
    wait_for(lambda: taken + refused() == 12 * 4096, SOON, "every key to be taken or refused")
    assert heard(som, 1, 0.1) == b""
    other.close()


def test_more_than_a_line_may_have_waiting_is_refused(
    serve: Start, som: Som, reader: Reader, client: "redis.Redis"
) -> None:
    serve(som.path).wait_connected()
    hands = Hands(client)
    for _ in range(40):
        hands.type(b"x" * 4096)
    assert reader.wait_kind("keys-late").endswith("the line takes no more.")


def test_nothing_is_typed_into_a_port_that_is_away_nor_into_the_next_one(
    serve: Start, tmp_path: Path, client: "redis.Redis", reader: Reader
) -> None:
    uart = Uart(tmp_path / "uart")
    serve(tmp_path / "uart").wait_connected()
    uart.unplug()
    reader.wait_kind("port-away")
    Hands(client).type(b"reboot\r")
    assert reader.wait_kind("keys-late") == "7 typed bytes were not sent: the port is away."
    uart.plug()
    reader.wait_kind("port-back")
    Hands(client).type(b"l")
    wait_for(lambda: uart.receive() == b"l", SOON, "the key")
    uart.unplug()


def test_a_break_holds_the_line_and_the_character_of_sysrq_comes_after_it(
    serve: Start, som: Som, tmp_path: Path, client: "redis.Redis", reader: Reader
) -> None:
    os.mkfifo(tmp_path / "som.break")
    fifo = os.open(tmp_path / "som.break", os.O_RDONLY | os.O_NONBLOCK)
    serve(som.path, scale=1.0).wait_connected()
    hands = Hands(client)
    hands.type(b"before")
    assert heard(som, 6) == b"before"
    hands.send_break(b"s")
    hands.type(b"after")
    assert select.select([fifo], [], [], 1)[0]
    began = time.monotonic()
    assert os.read(fifo, 10) == b"\0"
    assert heard(som, 6) == b"safter"
    assert 0.2 < time.monotonic() - began < 0.6
    assert reader.wait_kind("sysrq") == "olga sent SysRq s."
    hands.send_break()
    assert reader.wait_kind("break") == "olga sent a break."
    os.close(fifo)


def test_output_does_not_wait_while_a_break_is_held(
    serve: Start, som: Som, client: "redis.Redis", reader: Reader
) -> None:
    serving = serve(som.path, scale=1.0).wait_connected()
    Hands(client).send_break()
    wait_for(lambda: serving.lines[0].break_ends_at, 1, "the break")
    som.send(b"SysRq : HELP")
    reader.wait_data(b"HELP", 0.2)
    assert serving.lines[0].break_ends_at is not None


def test_whoever_took_the_keyboard_over_stands_in_the_journal(
    serve: Start, som: Som, client: "redis.Redis", reader: Reader
) -> None:
    serve(som.path).wait_connected()
    Hands(client, person="vera")
    typist = keyboard.Typist("s2", "olga", 2, "2026-11-22T18:00:00+00:00", why="the boot loader waits")
    keyboard.take_over("b1", 2, typist).on(client)
    words = reader.wait_kind("taken-over")
    assert words == "olga took the keyboard over from vera: the boot loader waits"


def test_a_uart_that_echoes_itself_echoes_once(serve: Start, som: Som, client: "redis.Redis", reader: Reader) -> None:
    serving = serve(som.path).wait_connected()
    hands = Hands(client)
    for _ in range(100):
        hands.type(b"echo ")
        som.send(heard(som, 5))
    reader.wait_end(500)
    assert reader.data() == b"echo " * 100
    assert serving.lines[0].bytes_read == 500


def test_an_entry_that_nobody_of_ours_wrote_harms_nothing(serve: Start, som: Som, client: "redis.Redis") -> None:
    serve(som.path).wait_connected()
    for fields in ({"x": "y"}, {"s": "three", "k": "data"}, {"s": 9, "k": "data", "d": "x", "p": "", "o": ""}):
        client.xadd(journal.keys_stream("b1"), {"t": "0", "b": "elsewhere", **fields})
    Hands(client).type(b"fine")
    assert heard(som, 4) == b"fine"
