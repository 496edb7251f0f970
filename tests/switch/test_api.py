"""The switch over REST."""

import json

import pytest
from django.test import Client

from hardware.simulator import net
from hardware.switch_setup import SwitchSetup
from operations.models import AuditEntry, Operation
from switch import tasks
from switch.documents import USUAL, to_document
from switch.models import VlanChange
from switch.services import changes, rates
from tests.images.rig import person
from tests.switch import rig
from tests.switch.rig import CUT, HOME, LAB, State

API = f"/api/v1/boards/{rig.SLUG}/switch"


class Api:
    """Requests as a script sends them, with a session."""

    def __init__(self, client: Client) -> None:
        self.client, self.etag = client, ""

    def ask(self, method: str, path: str = "", body: object = None, status: int = 200, **headers: str) -> dict:
        text = body if isinstance(body, str) else json.dumps(body or {})
        answer = self.client.generic(method, f"{API}{path}", text, content_type="application/json", headers=headers)
        assert answer.status_code == status, answer.content
        self.etag = answer.headers.get("ETag", "")
        is_json = answer.content and answer.headers.get("Content-Type", "").startswith("application/json")
        return json.loads(answer.content) if is_json else {"text": answer.content.decode()}


@pytest.fixture
def olga(home) -> Api:
    return Api(person("olga", "network-engineer"))


@pytest.fixture
def vera(home) -> Api:
    return Api(person("vera", "viewer"))


def document(table) -> dict:
    return to_document(SwitchSetup(table), USUAL)


def test_a_table_is_read_changed_planned_committed_and_confirmed(home, olga):
    table = olga.ask("GET", "/vlans")
    assert table == document(HOME)
    assert olga.etag == '"0"'
    olga.ask("PUT", "/vlans", document(LAB), **{"If-Match": olga.etag})
    assert olga.etag == '"1"'
    plan = olga.ask("POST", "/plan")
    assert plan["words"] == ["slot 3: PVID 1 -> 10, untagged in 10"]
    assert (plan["unsafe"], plan["isolated"], plan["version"]) == ([], [3], 1)
    change = olga.ask("POST", "/commit", {"fingerprint": plan["fingerprint"], "reason": "move slot 3"}, status=202)
    assert (change["state"], change["number"]) == ("queued", 1)
    row = VlanChange.objects.get()
    said = []
    rig.when_awaiting(home, row, lambda: said.append(olga.ask("GET")))
    rig.when_awaiting(home, row, lambda: said.append(olga.ask("POST", "/confirm")), seconds=8)
    rig.run(row)
    awaiting, revision = said
    assert (awaiting["change"]["state"], awaiting["change"]["deadline_at"] is None) == ("awaiting", False)
    assert (revision["number"], revision["author"], revision["reason"]) == (2, "olga", "move slot 3")
    state = olga.ask("GET")
    assert (state["running"], state["revision"], state["change"], state["drift"]) == (document(LAB), 2, None, [])
    assert olga.ask("GET", "/changes/1")["state"] == "confirmed"
    assert [one["number"] for one in olga.ask("GET", "/revisions")["revisions"]] == [2, 1]
    assert olga.ask("POST", "/revisions/1/restore") == document(HOME)


def test_what_is_sent_may_say_only_what_matters(olga):
    body = {"management_vid": 1, "vlans": [{"vid": 1, "untagged": [1, "uplink"]}, {"vid": 7, "tagged": [2, 3]}]}
    answer = olga.ask("PUT", "/vlans", body)
    assert answer["vlans"][1] == {"vid": 7, "name": "", "untagged": [], "tagged": [2, 3]}
    usual = {"enabled": True, "speed": "auto", "duplex": "full", "negotiates": True, "flow_control": "auto"}
    assert answer["ports"][0] == {"port": 1, "pvid": 1, "accepts": "untagged", **usual}
    assert (answer["isolation"], answer["mirror"]) == ([], None)


def test_links_isolation_and_mirror_are_part_of_what_is_sent(olga):
    body = document(LAB)
    body["ports"][2] |= {"speed": 100, "duplex": "half", "negotiates": False, "flow_control": "off"}
    body |= {"isolation": [[3, 4], [2, "uplink"]], "mirror": {"to": 7, "entering": [3, "uplink"], "leaving": [3]}}
    answer = olga.ask("PUT", "/vlans", body)
    assert answer["ports"] == body["ports"]
    assert answer["mirror"] == body["mirror"]
    assert answer["isolation"] == [[2, "uplink"], [3, 4]]
    assert olga.ask("PUT", "/vlans", body | {"isolation": "all-separate"})["isolation"] == "all-separate"
    copies = "slot 7 gets copies of what enters at slot 3 and the uplink, and of what leaves at slot 3"
    assert olga.ask("POST", "/plan")["words"][-1] == copies


VLAN_1 = {"management_vid": 1, "vlans": [{"vid": 1, "untagged": [1, 2, 3, "uplink"]}]}


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"management_vid": 1, "vlans": [], "ports": []}, "VLAN 1, which the switch's own pages are to be in"),
        ({"management_vid": 1, "vlans": [{"vid": 1, "untagged": [8]}]}, "A port is a slot's number"),
        ({"management_vid": 1, "vlans": [{"vid": 1, "colour": "red"}]}, "colour"),
        ({"management_vid": 1, "vlans": [{"vid": 0}]}, "vid"),
        ({"vlans": []}, "management_vid"),
        ({**VLAN_1, "isolation": [[1]]}, "isolation"),
        ({**VLAN_1, "isolation": "some"}, "isolation"),
        ({**VLAN_1, "isolation": [[1, 1]]}, "Slot 1 cannot be kept apart from itself"),
        ({**VLAN_1, "mirror": {"to": 2}}, "Slot 2 is to get copies, but of no port"),
        ({**VLAN_1, "mirror": {"to": 2, "leaving": [2]}}, "cannot get copies of its own frames"),
        ({**VLAN_1, "ports": [{"port": 3, "speed": 2500}]}, "speed"),
        ({**VLAN_1, "ports": [{"port": 3, "speed": 100, "negotiates": False}]}, "Slot 3: without negotiation"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_place(olga, body, sentence):
    assert sentence in olga.ask("PUT", "/vlans", body, status=400)["message"]


def test_an_old_etag_overwrites_nothing(olga):
    olga.ask("PUT", "/vlans", document(LAB))
    for etag in ('"0"', "nonsense", '"99999999999"'):
        assert olga.ask("PUT", "/vlans", document(HOME), status=412, **{"If-Match": etag})["code"] == "outdated"
    assert olga.ask("GET", "/vlans") == document(LAB)
    olga.ask("DELETE", "/vlans", status=204)
    assert olga.ask("GET", "/vlans") == document(HOME)


def test_a_cut_is_refused_with_codes_that_only_an_administrator_takes_on(home, olga):
    olga.ask("PUT", "/vlans", document(CUT))
    plan = olga.ask("POST", "/plan")
    codes = [one["code"] for one in plan["unsafe"]]
    assert codes == ["uplink-cut", "uplink-changes"]
    wish = {"fingerprint": plan["fingerprint"]}
    refused = olga.ask("POST", "/commit", wish, status=422)
    assert [one["code"] for one in refused["detail"]["reasons"]] == codes
    assert olga.ask("POST", "/commit", {**wish, "overrides": codes}, status=403)["code"] == "not-permitted"
    assert VlanChange.objects.count() == 0
    assert list(AuditEntry.objects.filter(outcome="refused").values_list("code", flat=True)) == [
        "not-permitted",
        "unsafe-plan",
    ]
    alice = Api(person("alice", "administrator"))
    alice.ask("POST", "/commit", {**wish, "overrides": codes}, status=202)
    assert rig.run(VlanChange.objects.get()).state == State.ROLLED_BACK


def test_a_plan_that_changed_is_not_carried_out(olga):
    olga.ask("PUT", "/vlans", document(LAB))
    assert olga.ask("POST", "/commit", {"fingerprint": "0" * 16}, status=409)["code"] == "plan-stale"


def test_the_deadline_is_put_off_and_the_change_rolled_back(home, olga):
    olga.ask("PUT", "/vlans", document(LAB))
    olga.ask("POST", "/commit", {"fingerprint": olga.ask("POST", "/plan")["fingerprint"]}, status=202)
    row = VlanChange.objects.get()
    said = []
    rig.when_awaiting(home, row, lambda: said.append(olga.ask("POST", "/extend", {"seconds": 60})))
    rig.when_awaiting(home, row, lambda: said.append(olga.ask("POST", "/rollback", status=202)), seconds=6)
    assert rig.run(row).state == State.ROLLED_BACK
    assert (said[0]["extended_seconds"], said[1]["state"]) == (60, "rolling-back")
    assert olga.ask("POST", "/confirm", status=409)["code"] == "no-change"


def test_a_viewer_looks_and_does_nothing(vera):
    for path in ("", "/vlans", "/vlans.yaml", "/revisions", "/ports"):
        vera.ask("GET", path)
    for method, path, body in (
        ("PUT", "/vlans", document(LAB)),
        ("PUT", "/vlans.yaml", "a: 1"),
        ("DELETE", "/vlans", None),
        ("POST", "/commit", {"fingerprint": ""}),
        ("POST", "/scan", None),
        ("POST", "/revisions/1/restore", None),
        ("POST", "/restore", {}),
        ("PUT", "/recovery", {"restores_by_itself": True}),
    ):
        assert vera.ask(method, path, body, status=403)["code"] == "not-permitted"


def test_nobody_sees_a_switch_without_signing_in(home):
    Api(Client()).ask("GET", "", status=401)


def test_ports_and_addresses_are_told_by_slots(home, olga):
    frame = net.Frame(tags=(), src=net.parse_mac("02:00:00:00:00:04"), dst=net.BROADCAST)
    net.forward(home.model, 4, frame)
    ports = olga.ask("GET", "/ports")["ports"]
    assert [one["port"] for one in ports] == [1, 2, 3, 4, 5, 6, 7, "uplink"]
    assert (ports[3]["mbps"], ports[3]["counters"]["rx_packets"]) == (1000, 1)
    (address,) = olga.ask("GET", "/fdb")["addresses"]
    seen_at = address.pop("seen_at")
    assert seen_at == address.pop("first_found_at")
    assert address.pop("seen_after") < seen_at
    expected = {"mac": "02:00:00:00:00:04", "vid": 10, "ports": [4], "fixed": False, "held": True, "seen": True}
    assert address == expected | {"moved_at": None}


def test_rates_are_told_once_the_worker_has_read_twice(home, olga):
    answer = olga.ask("GET", "/ports")
    assert (answer["rates_read_at"], answer["ports"][0]["rate"]) == (None, None)
    seconds = iter((0.0, 10.0))
    watch = rates.Watch(lambda: next(seconds))
    watch.look()
    net.forward(home.model, 4, net.Frame(tags=(), src=4, dst=net.BROADCAST))
    watch.look()
    rate = olga.ask("GET", "/ports")["ports"][3]["rate"]
    assert (rate["bits_in"], rate["bits_out"], rate["dropped"], rate["seconds"]) == (51.2, 0, 0, 10)
    hour = olga.ask("GET", "/traffic")["ports"]
    assert [one["port"] for one in hour] == [1, 2, 3, 4, 5, 6, 7, "uplink"]
    assert hour[3]["minutes"][-1]["bits_in"] == 51.2
    assert set(map(str, hour[3]["minutes"][:-1])) == {"None"}


def test_a_table_leaves_as_a_file_and_comes_back(olga):
    text = olga.ask("GET", "/vlans.yaml")["text"]
    assert "untagged: [4, 5]" in text
    etag = olga.etag
    assert olga.ask("PUT", "/vlans.yaml", text.replace("red", "rot"), **{"If-Match": etag})["vlans"][1]["name"] == "rot"
    assert olga.ask("PUT", "/vlans.yaml", text, status=412, **{"If-Match": etag})["code"] == "outdated"
    for broken, sentence in (
        ("a: [", "This is not YAML that can be read: line 1"),
        ("&a [*a]", "aliases are not used here"),
        ("vlans: []", "The document lacks management_vid."),
        ("- 1", "The document is to have the keys"),
        ("!!python/object:os.system {}", "This is not YAML that can be read"),
        ("x" * 70_000, "longer than"),
        ("[" * 2_000, "This is not YAML that can be read"),
        ("2026-99-99", "This is not YAML that can be read"),
        ("management_vid: 1\nvlans: []\nvlans: [{vid: 1}]", "line 3: vlans is said twice"),
        (f"management_vid: 1\nvlans: [{{vid: 0x{'f' * 6000}}}]", "vid is to be a whole number, not '0xfff"),
        (f"management_vid: !!int '0x{'f' * 6000}'\nvlans: []", "a number has one to nine digits"),
        ("management_vid: 1\nvlans: [{vid: 010}]", "vid is to be a whole number, not '010'"),
        ("management_vid: 1\nvlans: [{vid: 1:30}]", "vid is to be a whole number, not '1:30'"),
        ('management_vid: 1\nvlans: [{vid: 1, name: "\\ud800"}]', "The name of VLAN 1"),
        ("{a: " * 2_000, "This is not YAML that can be read"),
    ):
        assert sentence in olga.ask("PUT", "/vlans.yaml", broken, status=400)["message"]


def test_what_a_reset_took_is_offered_and_asked_for(home, olga):
    from switch.services import recovering

    assert olga.ask("GET", "/recovery") == {
        "restores_by_itself": False,
        "revision": 1,
        "is_due": False,
        "reset_at": None,
    }
    assert olga.ask("POST", "/restore", {}, status=409)["code"] == "nothing-to-do"
    assert olga.ask("PUT", "/recovery", {"restores_by_itself": True}, status=403)["code"] == "not-permitted"
    alice = Api(person("alice", "administrator"))
    assert alice.ask("PUT", "/recovery", {"restores_by_itself": True})["restores_by_itself"]
    assert not alice.ask("PUT", "/recovery", {"restores_by_itself": False})["restores_by_itself"]
    home.reset()
    home.have_few_entries()
    recovering.look()
    assert olga.ask("GET", "/recovery")["is_due"]
    tasks.run_scan(str(Operation.objects.get(kind="switch.scan").pk))
    change = olga.ask("POST", "/restore", {"reason": "power cut"}, status=202, **{"Idempotency-Key": "k"})
    again = olga.ask("POST", "/restore", {"reason": "power cut"}, status=202, **{"Idempotency-Key": "k"})
    assert (change["operation"]["kind"], again["number"]) == ("switch.restore", change["number"])
    assert rig.run(VlanChange.objects.get()).state == State.RESTORED
    assert olga.ask("GET", "/changes/1")["state"] == "restored"
    assert not olga.ask("GET", "/recovery")["is_due"]
    recorded = AuditEntry.objects.filter(action="switch.restores-by-itself").order_by("seq")
    assert list(recorded.values_list("outcome", flat=True)) == ["refused", "done", "done"]


def test_a_board_without_a_switch_says_why(board, data_dir):
    from slots.services import parts

    path = data_dir / "boards" / f"{rig.SLUG}.toml"
    path.write_text(path.read_text().partition("[switch]")[0])
    parts.forget()
    olga = Api(person("olga", "network-engineer"))
    assert olga.ask("GET")["why_no_access"].startswith("The board file names no way to the switch chip")
    assert olga.ask("GET", "/ports", status=503)["code"] == "device-not-found"
    assert changes.open_change(board) is None
