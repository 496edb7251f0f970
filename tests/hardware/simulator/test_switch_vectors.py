"""The simulated switch under the register traffic that the vendor's driver was seen to make (the vectors).

Each recorded access is repeated over the bus, reads give what was recorded, and the words end as they ended there.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from hardware.simulator.switch import Jl6108Model
from hardware.simulator.testing import InProcessBoard
from tests.hardware.simulator.master import Master
from tests.hardware.simulator.recipes import Recipes

VECTORS = Path(__file__).resolve().parents[1] / "jl6108" / "vectors"
SHIPPED = sorted(path.stem for path in VECTORS.glob("*.json"))
#: The bus is another, or what the driver did on it is not what this is about (test_switch_model.py).
NOT_REGISTERS = {"reset_image"}


def words_of(texts: list[str]) -> list[int]:
    return [int(text, 16) for text in texts]


def poke(chip: Jl6108Model, words: dict[str, Any]) -> None:
    for text, value in words.items():
        address, word = int(text, 16), int(str(value), 0)
        if address in chip.memory.firmware_words:
            chip.memory.firmware_words = {**chip.memory.firmware_words, address: word}
        else:
            chip.memory.put(address, word)


def load(name: str) -> Any:
    return json.loads((VECTORS / f"{name}.json").read_text())


@pytest.mark.parametrize("name", [name for name in SHIPPED if name not in NOT_REGISTERS])
def test_recorded_traffic_reads_and_leaves_what_it_did_there(name: str) -> None:
    vector, board = load(name), InProcessBoard()
    chip, master = board.board.switch, Master(board)
    for port in range(1, 9):
        chip.set_partner(port, 0)
    poke(chip, vector.get("poke", {}))
    for call in vector["calls"]:
        for kind, address, argument in call["registers"]:
            if kind == "delay_us":
                board.clock.wait(argument / 1e6 if argument else 0)
            elif kind == "read":
                assert master.read(int(address, 16), len(argument)) == words_of(argument), (call["call"], address)
            elif kind == "write":
                master.write(int(address, 16), *words_of(argument))
            else:
                assert kind.startswith("delay"), kind
    for entry in vector["final_state"]:
        words = words_of(entry["words"])
        assert master.read(int(entry["addr"], 16), len(words)) == words, entry["sym"]


def test_every_word_of_the_recorded_reset_image_is_what_a_fresh_chip_holds() -> None:
    chip = Recipes().chip
    for row in load("reset_image"):
        first = int(row["addr"], 16)
        for entry in range(row["count"]):
            address = first + row["stride"] * entry
            found = [chip.memory.word(address + 4 * i) for i in range(len(row["words"]))]
            assert found == words_of(row["words"]), (row["why"], entry)


def replay(switch: Recipes, name: str) -> None:
    """Do a vector's writes, and nothing else."""
    for call in load(name)["calls"]:
        for kind, address, argument in call["registers"]:
            if kind == "write":
                switch.memory.write(int(address, 16), words_of(argument))


def test_the_recorded_access_port_is_one_in_frames() -> None:
    switch = Recipes()
    replay(switch, "access_port")
    assert switch.send(1) == {8: [10]}, "port 8 is in VLAN 10 and pops nothing"
    assert switch.send(8, 10) == {1: []}
    assert switch.send(1, 10) == {8: [10, 10]}, "nothing refuses tagged frames there (25.12)"


def test_the_recorded_trunk_carries_its_vlans_tagged() -> None:
    switch = Recipes()
    replay(switch, "trunk_port")
    assert switch.send(1, 10) == {8: [10]}
    assert switch.send(2, 20) == {8: [20]}
    assert switch.send(2, 10) == {}
    assert switch.send(8, 20) == {2: [20]}


def test_the_recorded_isolation_keeps_two_ports_apart() -> None:
    switch = Recipes()
    replay(switch, "isolate_4_5")
    assert 5 not in switch.send(4)
    assert 4 not in switch.send(5)
    assert {4, 5} <= set(switch.send(3))


def test_a_recorded_pvid_decides_where_an_untagged_frame_goes() -> None:
    switch = Recipes()
    replay(switch, "pvid_all_ports")
    switch.vlan(13, 4, 6)
    assert switch.send(4) == {6: []}


def test_the_recorded_deletion_opens_a_vlan_to_all() -> None:
    switch = Recipes()
    switch.vlan(10, 1, 2)
    replay(switch, "vlan_delete")
    assert set(switch.send(1, 10)) == {2, 3, 4, 5, 6, 7, 8, 9}


def test_the_recorded_static_address_is_where_frames_to_it_go() -> None:
    switch = Recipes()
    calls = load("fdb_static")["calls"]
    for kind, address, argument in calls[0]["registers"]:
        if kind == "write":
            switch.memory.write(int(address, 16), words_of(argument))
    assert switch.send(1, dst=calls[0]["call"][1]) == {3: []}
    assert len(switch.send(1, dst=calls[0]["call"][1] + 1)) == 8
    for kind, address, argument in calls[1]["registers"]:
        if kind == "write":
            switch.memory.write(int(address, 16), words_of(argument))
    assert len(switch.send(1, dst=calls[0]["call"][1])) == 8


def test_the_recorded_collision_entry_is_found() -> None:
    switch = Recipes()
    replay(switch, "fdb_collision")
    assert switch.send(1, dst=load("fdb_collision")["calls"][0]["call"][2]) == {8: []}
