"""What may be flashed, what is said before, and the request: all or nothing, once, with a claim for each slot."""

import pytest
from django.utils import timezone

from flashing.models import FlashRun, Method
from flashing.services import boot_mode, history, promises, queueing, requests
from hardware.som import PowerState
from images.services import library
from operations import lifecycle, refusals
from operations.models import AuditEntry, Claim, Operation, OperationState
from slots.models import Slot, SomType
from tests.flashing import rig

CM4, CM5, M4N, LM3H = 2, 3, 5, 6
OFF, ON, UNKNOWN = PowerState.OFF, PowerState.ON, PowerState.UNKNOWN


def believe(number: int, state: PowerState, **more) -> Slot:
    row = {"power_state": state.value, "since": timezone.now(), "contradiction": "", **more}
    Slot.objects.filter(number=number).update(**row)
    return rig.slot(number)


def held() -> list[str]:
    return sorted(Claim.objects.values_list("resource", flat=True))


def test_a_request_makes_one_run_with_an_operation_and_a_claim_for_each_slot(image, flasher):
    run = rig.request(image, flasher, 2, 3, reason="new  release")
    assert [(job.number, job.phase, job.method) for job in rig.jobs(run)] == [
        (2, "waiting", "file"),
        (3, "waiting", "file"),
    ]
    assert held() == ["demo/slot:2", "demo/slot:3"]
    operation = rig.job(run, 3).operation
    assert (operation.kind, operation.title) == ("flash.write", f"Flash {image.name} on slot 3")
    assert (operation.reason, operation.state) == ("new release", OperationState.QUEUED)
    assert operation.plan["steps"] == ["prepare", "boot-mode", "write", "verify", "restore"]
    asked = AuditEntry.objects.filter(action="flash.request").order_by("seq")
    assert [(entry.target, entry.outcome) for entry in asked] == [
        ("demo/slot:2", "requested"),
        ("demo/slot:3", "requested"),
    ]


def test_the_same_key_is_the_same_run(image, flasher):
    first = rig.request(image, flasher, 2, key="k1")
    assert rig.request(image, flasher, 2, key="k1") == first
    with pytest.raises(refusals.IdempotencyMismatch):
        rig.request(image, flasher, 3, key="k1")


@pytest.mark.parametrize(
    ("change", "kind", "word"),
    [
        ({"typed": {}}, refusals.BadRequest, "Type "),
        ({"typed": {2: "wrong"}}, refusals.BadRequest, "Type "),
        ({"targets": ()}, refusals.BadRequest, "1 to 7"),
        ({"medium": "eMMC"}, refusals.BadRequest, "there is file"),
        ({"method": Method.UMS}, refusals.BadRequest, "cannot be flashed by"),
        ({"profile_id": 99}, refusals.NotFound, "profile"),
    ],
)
def test_a_wish_that_cannot_be_leaves_nothing_behind(image, flasher, change, kind, word):
    with pytest.raises(kind, match=word):
        rig.request(image, flasher, 2, **change)
    assert (FlashRun.objects.count(), Operation.objects.count(), held()) == (0, 0, [])


def test_one_slot_that_is_busy_refuses_the_whole_run_and_names_the_holder(image, flasher):
    rig.request(image, flasher, 3)
    with pytest.raises(refusals.Busy, match=r"slot 3 is busy: Flash .* on slot 3, asked for by olga"):
        rig.request(image, flasher, 2, 3)
    assert held() == ["demo/slot:3"]


def test_who_may_ask(image, viewer, flasher, administrator):
    with pytest.raises(refusals.NotPermitted):
        rig.request(image, viewer, 2)
    with pytest.raises(refusals.NotPermitted, match="administrator"):
        rig.request(image, flasher, 2, unverified_reason="in a hurry")
    run = rig.request(image, administrator, 2, unverified_reason="in a hurry")
    assert run.unverified_reason == "in a hurry"


def test_an_image_for_other_soms_or_a_retired_one_is_refused(image, flasher, administrator):
    image.som_types.set([SomType.objects.get(name="CM5")])
    with pytest.raises(refusals.Conflict, match="is for CM5; slot 2 holds a CM4"):
        rig.request(image, flasher, 2)
    offered = {offer.image: offer for offer in requests.images_for([rig.slot(2)])}
    assert not offered[image].fits
    assert requests.images_for([rig.slot(3)])[0].fits
    library.retire(image, administrator)
    assert requests.images_for([rig.slot(3)]) == []
    with pytest.raises(refusals.Conflict, match="retired"):
        rig.request(image, flasher, 3)


def test_more_than_the_worker_takes_at_once_is_refused_with_a_sentence(image, flasher):
    for number in range(2, 2 + queueing.RUNS_AT_ONCE):
        rig.request(image, flasher, number)
    with pytest.raises(refusals.Busy, match="3 flashes are under way"):
        rig.request(image, flasher, 6)
    lifecycle.cancel(Operation.objects.get(resource="demo/slot:2"), flasher)
    rig.request(image, flasher, 6)


def test_without_a_broker_nothing_is_left_queued(image, flasher, broker_away):
    with pytest.raises(refusals.BrokerUnavailable, match="Nothing was written"):
        rig.request(image, flasher, 2, 3, key="k")
    assert held() == []
    assert {row.state for row in Operation.objects.all()} == {"failed"}
    broker_away.back()
    assert rig.request(image, flasher, 2, 3, key="k").jobs.count() == 2


def test_an_image_is_not_deleted_while_a_flash_waits_for_it(image, flasher, administrator):
    run = rig.request(image, flasher, 2)
    library.retire(image, administrator)
    with pytest.raises(refusals.Busy, match="is needed: Flash"):
        library.delete(image, administrator)
    lifecycle.cancel(rig.job(run).operation, flasher)
    library.delete(image, administrator)
    run.refresh_from_db()
    assert (run.image, run.image_name) == (None, image.name)


def test_a_level_som_is_promised_the_power_it_had(board):
    for before, after in ((ON, ON), (PowerState.POWERING_ON, ON), (OFF, OFF), (UNKNOWN, OFF)):
        assert promises.promise(believe(CM4, before), Method.RPIBOOT).after == after


def test_a_button_som_has_to_be_off_first_and_may_stay_in_download_mode(board):
    promised = promises.promise(believe(CM5, OFF), Method.RPIBOOT)
    assert (promised.after, promised.hands) == (UNKNOWN, True)
    assert "stays in download mode" in promised.words
    for state in (ON, UNKNOWN):
        with pytest.raises(refusals.Conflict, match="Mark as off"):
            promises.promise(believe(CM5, state), Method.RPIBOOT)
    rig.slot(CM5).som.__class__.objects.filter(slot__number=CM5).update(latch_cured=True)
    assert promises.promise(believe(CM5, OFF), Method.RPIBOOT).after == OFF
    with pytest.raises(refusals.Refused):
        promises.promise(believe(CM5, OFF, latched=True), Method.RPIBOOT)


def test_other_ways_leave_the_power_alone(board):
    for method in (Method.FILE, Method.DISK):
        promised = promises.promise(believe(CM5, ON), method)
        assert (promised.after, promised.hands) == (ON, False)


def test_each_slot_says_which_ways_it_has_and_why_not_the_others(board):
    believe(CM5, ON)
    ways = {offer.method: offer for offer in requests.offers(rig.slot(CM5))}
    assert not ways["rpiboot"].available
    assert "shut it down first" in ways["rpiboot"].words
    assert ways["file"].available
    axdl = {offer.method: offer for offer in requests.offers(rig.slot(M4N))}["axdl"]
    assert not axdl.available
    assert "AXDL" in axdl.words


def test_only_who_is_waited_for_can_say_that_boot_is_held(image, flasher, viewer):
    job = rig.job(rig.request(image, flasher, 2))
    with pytest.raises(refusals.NotPermitted):
        boot_mode.holding(job, viewer)
    with pytest.raises(refusals.Conflict, match="not waiting"):
        boot_mode.holding(job, flasher)
    lifecycle.start(str(job.operation_id), worker="w", instance="i")
    type(job).objects.filter(pk=job.pk).update(phase="boot-mode", hands_step=1)
    boot_mode.holding(job, flasher)
    job.refresh_from_db()
    assert job.press_asked_by == flasher.name
    with pytest.raises(refusals.Conflict, match="not waiting"):
        boot_mode.holding(job, flasher)
    assert AuditEntry.objects.filter(action="flash.hands").count() == 1


def test_a_run_is_found_again_with_its_lines_in_order(image, flasher):
    run = rig.request(image, flasher, 2, 3)
    for number, text in ((2, "one"), (3, "two"), (2, "three")):
        lifecycle.append_log(rig.job(run, number).operation, text)
    lines = history.log(run)
    assert [(line.slot, line.text) for line in lines] == [(2, "one"), (3, "two"), (2, "three")]
    assert [line.text for line in history.log(run, after=lines[0].number)] == ["two", "three"]
    assert [one.pk for one in history.runs("demo")] == [run.pk]
    assert [job.number for job in history.run(run.pk).jobs.all()] == [2, 3]
    with pytest.raises(refusals.NotFound):
        history.run(run.pk.__class__(int=0))


def test_a_retry_is_a_new_run_with_the_same_choices(image, flasher):
    run = rig.request(image, flasher, 2, 3)
    with pytest.raises(refusals.Conflict, match="not ended"):
        requests.retry(rig.job(run, 3), flasher, rig.name(3))
    lifecycle.cancel(rig.job(run, 3).operation, flasher)
    with pytest.raises(refusals.BadRequest, match="Type"):
        requests.retry(rig.job(run, 3), flasher, "")
    again = requests.retry(rig.job(run, 3), flasher, rig.name(3))
    assert [(job.number, job.method, job.medium) for job in rig.jobs(again)] == [(3, "file", "file")]


def aim(address: str) -> dict[str, object]:
    return {"targets": (requests.TargetAsk(2, Method.NETWORK, "nvme0n1", address),)}


@pytest.mark.parametrize("address", ["root@CM5.lan:/dev/mmcblk0", "cm5.lan /dev/mmcblk0"])
def test_a_disk_over_the_network_is_named_as_the_machine_names_it(image, flasher, address):
    """What is reviewed and recorded is what is written, however it was typed."""
    rig.accept(2, "root@cm5.lan")
    job = rig.job(rig.request(image, flasher, 2, **aim(address)))
    assert (job.medium, job.address) == ("mmcblk0", "root@cm5.lan:/dev/mmcblk0")


@pytest.mark.parametrize("accepted_for", [None, 3])
def test_a_machine_that_is_not_known_as_this_slots_is_refused_before_anything_is_queued(image, flasher, accepted_for):
    if accepted_for:
        rig.accept(accepted_for, "root@cm5.lan")
    with pytest.raises(refusals.Unavailable):
        rig.request(image, flasher, 2, **aim("root@cm5.lan:/dev/mmcblk0"))
    assert held() == []


@pytest.mark.parametrize(
    "address", ["-oProxyCommand=id@cm5.lan:/dev/sda", "root@-v:/dev/sda", "root@h:/dev/../sda", "", "h"]
)
def test_an_address_that_is_none_is_refused_before_anything_is_queued(image, flasher, address):
    with pytest.raises(refusals.BadRequest, match="is not of the form") as refused:
        rig.request(image, flasher, 2, **aim(address))
    assert (refused.value.code, held()) == ("bad-address", [])
