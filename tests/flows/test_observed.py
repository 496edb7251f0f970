"""What is believed of a SOM follows what is seen of it."""

from tests.flows.scene import Scene


def evidence(scene: Scene, slot: int) -> dict[str, str]:
    return {item["kind"]: item["value"] for item in scene.client.slot(slot)["power"]["evidence"]}


def test_what_link_and_console_show_makes_a_commanded_state_an_observed_one(scene: Scene) -> None:
    scene.power_up()
    scene.do(2, "On")
    scene.do(3, "PushPowerButton")
    scene.client.wait_state(2, "On")
    scene.wait(lambda: evidence(scene, 2).get("link") == "link up, 1 Gb/s", "the link as evidence")
    scene.wait(lambda: evidence(scene, 2).get("uart") == "console prints", "the console as evidence")
    scene.do(2, "ForceOff")

    scene.client.wait_state(3, "On")
    scene.wait_booted(3)
    assert scene.do(3, "GracefulShutdown")["message"] == "Observed Off."
    assert scene.client.state(3) == ("Off", "observed")
    assert scene.portal.board.power(3) == "Off"

    scene.client.wait_state(2, "Off")
    assert evidence(scene, 2)["link"] == "link down"
    assert evidence(scene, 2)["line"] == "held low"


def test_a_som_that_ignores_its_line_shows_as_a_contradiction_and_counts_as_unknown(scene: Scene) -> None:
    scene.do(5, "ForceRestart")
    scene.client.wait_state(5, "On")
    scene.board("fault", "som-ignores-line", 5)
    scene.do(5, "ForceOff")
    contradiction = scene.wait(lambda: scene.client.slot(5)["power"]["contradiction"], "the contradiction")
    assert contradiction in ("commanded Off, link still up, 1 Gb/s", "commanded Off, console still prints")
    assert scene.client.state(5) == ("Off", "commanded")
    scene.board("clear", "som-ignores-line")
    scene.do(5, "ForceRestart")
    scene.client.wait_state(5, "On")
    assert scene.client.slot(5)["power"]["contradiction"] is None


def test_a_console_that_is_unplugged_says_nothing_of_its_slot_until_it_is_back(scene: Scene) -> None:
    scene.wait(lambda: "uart" in evidence(scene, 6), "the console to be listened to")
    scene.board("fault", "uart-gone", 6)
    scene.wait(lambda: evidence(scene, 6)["uart"] == "serial port away", "the port to be missed")
    scene.board("clear", "uart-gone")
    scene.wait(lambda: evidence(scene, 6)["uart"] == "console is silent", "the port to be listened to again")
    scene.do(6, "PushPowerButton")
    scene.wait(lambda: evidence(scene, 6)["uart"] == "console prints", "the SOM to be heard")
