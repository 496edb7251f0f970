"""Serial ports that come, go, change their speed, lose input; and what is said of them."""

import json
import os
import termios
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis

from consoles import keyboard
from consoles.journal import Keys
from consoles.lines import Line
from consoles.services.ports import PortSettings
from consoles.stages import SHIPPED, Seen
from hardware.simulator.uart import Uart
from tests.consoles.rig import SOON, Hands, Reader, Som, Start
from tests.flows.broker import Broker
from tests.portal import wait_for

PLAIN = PortSettings(115_200, False, 2**20, timedelta(days=1), ())


class Database:
    """What the settings are read from."""

    def __init__(self, settings: PortSettings = PLAIN, *slots: int) -> None:
        self.settings = settings
        self.slots = slots or (2,)

    def __call__(self) -> dict[tuple[str, int], PortSettings]:
        return {("b1", slot): self.settings for slot in self.slots}

    def change(self, client: "redis.Redis", **changes: Any) -> None:
        self.settings = PortSettings(**{**self.settings.__dict__, **changes})
        keyboard.configure("b1", 2).on(client)


@pytest.fixture
def uart(tmp_path: Path) -> "Uart":
    return Uart(tmp_path / "uart")


def port(client: "redis.Redis") -> dict[str, Any]:
    text = client.get(Keys("b1", 2).port)
    return dict(json.loads(text)) if text else {}


def test_an_adapter_that_is_pulled_and_put_back_stays_the_same_console(
    serve: Start, uart: Uart, tmp_path: Path, reader: Reader, client: "redis.Redis"
) -> None:
    (line,) = serve(tmp_path / "uart").wait_connected().lines
    uart.send(b"before ")
    reader.wait_data(b"before ")
    uart.unplug()
    assert "is not available" in reader.wait_kind("port-away")
    wait_for(lambda: port(client)["state"] == "away", SOON, "the port to be said to be away")
    tried_at = line.retry_at
    wait_for(lambda: line.retry_at > tried_at + 0.15, SOON, "it to be looked for again")
    holder = os.openpty()  # so that it comes back under another number
    uart.plug()
    assert reader.wait_kind("port-back") == f"The serial port {tmp_path}/uart is back."
    uart.send(b"after")
    reader.wait_data(b"after")
    assert reader.data() == b"before after"
    assert reader.kinds() == ["daemon-away", "port-away", "port-back"]
    assert len(reader.epochs()) == 1
    wait_for(lambda: port(client)["state"] == "open", SOON, "the port to be said to be open")
    assert port(client)["problem"] == ""
    uart.unplug()
    for descriptor in holder:
        os.close(descriptor)


def test_one_adapter_that_is_pulled_does_not_disturb_another_line(
    serve: Start, uart: Uart, tmp_path: Path, som: Som, client: "redis.Redis"
) -> None:
    serve(tmp_path / "uart", som.path).wait_connected()
    other = Reader(client, 3)
    som.send(b"one ")
    uart.unplug()
    som.send(b"two")
    other.wait_data(b"two")
    assert other.data() == b"one two"


def test_the_speed_changes_while_people_watch_and_no_byte_is_lost(
    serve: Start, som: Som, reader: Reader, client: "redis.Redis"
) -> None:
    database = Database()
    serving = serve(som.path, settings=database).wait_connected()
    opened = serving.lines[0].port
    som.send(b"slow ")
    reader.wait_data(b"slow ")
    database.change(client, baud=921_600)
    assert reader.wait_kind("baud") == "The speed is 921600 baud from here on; it was 115200."
    som.send(b"fast")
    reader.wait_data(b"fast")
    assert reader.data() == b"slow fast"
    assert termios.tcgetattr(som.far)[4] == termios.B921600
    assert serving.lines[0].port is opened
    wait_for(lambda: port(client)["baud"] == 921_600, SOON, "the speed to be said")


def test_settings_that_cannot_be_read_leave_everything_as_it_is(
    serve: Start, som: Som, reader: Reader, client: "redis.Redis"
) -> None:
    database = Database()
    serving = serve(som.path, settings=database).wait_connected()
    database.slots = (9,)
    database.change(client, baud=9600)
    database.slots = ()
    Hands(client).type(b"x")
    assert os.read(som.far, 1) == b"x"
    assert serving.lines[0].baud == 115_200


def test_input_that_the_kernel_lost_is_visible_where_it_was_lost(
    serve: Start, som: Som, tmp_path: Path, reader: Reader, client: "redis.Redis"
) -> None:
    counter = tmp_path / "som.overruns"
    counter.write_text("5")
    serve(som.path).wait_connected()
    som.send(b"before ")
    reader.wait_data(b"before ")
    counter.write_text("8")
    assert reader.wait_kind("overrun") == "The line overran 3 times: input was lost before this."
    som.send(b"after")
    reader.wait_data(b"after")
    assert [entry.data or "marker" for entry in reader.entries()] == ["marker", b"before ", "marker", b"after"]
    counter.write_text("9")
    assert "once" in reader.wait_kind("overrun", 2)
    wait_for(lambda: port(client)["overruns"] == 4, SOON, "the count")


def test_a_stage_of_a_boot_is_seen_said_and_reported(
    serve: Start, som: Som, reader: Reader, client: "redis.Redis"
) -> None:
    reported: list[tuple[int, Seen]] = []

    def note(line: Line, seen: Seen) -> None:
        reported.append((line.slot, seen))

    database = Database(PortSettings(115_200, False, 2**20, timedelta(days=1), SHIPPED))
    serving = serve(som.path, settings=database, stage=note).wait_connected()
    wait_for(lambda: serving.lines[0].heard, SOON, "the rules to be read")
    som.send(b"U-Boot 2023.01\n")
    reader.wait_kind("stage")
    som.send(b"Welcome\r\nheron login: ")
    assert reader.wait_kind("stage", 2).startswith("Login prompt seen; boot took")
    wait_for(lambda: len(reported) == 2, SOON, "the reports")
    assert [(slot, seen.stage) for slot, seen in reported] == [(2, "boot-loader"), (2, "login")]
    wait_for(lambda: (port(client)["stage"] or {}).get("stage") == "login", SOON, "the stage in the port's state")
    assert abs(reported[1][1].at - time.time()) < 30


def test_the_same_bytes_are_recorded_and_recording_can_be_switched(
    serve: Start, som: Som, tmp_path: Path, reader: Reader, client: "redis.Redis"
) -> None:
    database = Database(PortSettings(115_200, True, 2**20, timedelta(days=1), ()))
    serving = serve(som.path, settings=database, directory=tmp_path).wait_connected()
    wait_for(lambda: serving.lines[0].recorder, SOON, "the recorder")
    som.send(b"recorded ")
    reader.wait_data(b"recorded ")
    wait_for(lambda: port(client).get("recording") == "on", SOON, "the state")
    database.change(client, recording=False)
    wait_for(lambda: port(client).get("recording") == "off", SOON, "the state")
    som.send(b"unrecorded")
    reader.wait_data(b"unrecorded")
    kept = b"".join(file.read_bytes() for file in (tmp_path / "b1" / "2").glob("*.raw"))
    assert b"recorded " in kept
    assert b"unrecorded" not in kept


def test_a_recording_says_where_there_was_no_daemon_also_if_the_broker_forgot(
    serve: Start, som: Som, tmp_path: Path, reader: Reader, client: "redis.Redis"
) -> None:
    database = Database(PortSettings(115_200, True, 2**20, timedelta(days=1), ()))
    for word in (b"first", b"second"):
        serving = serve(som.path, settings=database, directory=tmp_path).wait_connected()
        wait_for(lambda serving=serving: serving.lines[0].recorder, SOON, "the recorder")  # type: ignore[misc]
        som.send(word)
        reader.wait_data(word)
        serve.stop_all()
        client.flushall()
    told = b"".join(file.read_bytes() for file in sorted((tmp_path / "b1" / "2").iterdir()))
    assert told.count(b"daemon-away") == 1
    assert b"unknown number of bytes is lost here" in told


def test_a_disk_that_cannot_be_written_stops_the_recording_and_never_the_console(
    serve: Start, som: Som, tmp_path: Path, reader: Reader, client: "redis.Redis"
) -> None:
    (tmp_path / "b1").write_text("a file where the directory should be")
    database = Database(PortSettings(115_200, True, 2**20, timedelta(days=1), ()))
    serve(som.path, settings=database, directory=tmp_path).wait_connected()
    som.send(b"still here")
    reader.wait_data(b"still here")
    assert reader.wait_kind("recording-stopped").startswith("Recording stopped")
    wait_for(lambda: port(client)["recording"] == "stopped", SOON, "the state")
    assert port(client)["recording_problem"].startswith("Recording stopped")


def test_what_is_said_of_a_port_runs_out_when_the_daemon_is_dead_and_goes_when_it_ends(
    serve: Start, som: Som, client: "redis.Redis"
) -> None:
    serve(som.path).wait_connected()
    wait_for(lambda: port(client).get("state") == "open", SOON, "the port")
    assert 0 < client.pttl(Keys("b1", 2).port) <= 3000
    assert port(client)["path"] == str(som.path)
    news = client.xlen(Keys("b1", 2).news)
    serve.stop_all()
    assert port(client) == {}
    assert client.xlen(Keys("b1", 2).news) > news


def test_the_state_of_a_port_is_told_again_to_a_broker_that_forgot_it(
    serve: Start, som: Som, client: "redis.Redis", private_broker: Broker
) -> None:
    serve(som.path).wait_connected()
    private_broker.kill()
    private_broker.start()
    wait_for(lambda: port(client).get("state") == "open", SOON, "the port")
