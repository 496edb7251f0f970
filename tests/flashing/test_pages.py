"""The wizard's pages, a run's page while it goes on and after: what they show to whom, and what they ask for."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from flashing.models import FlashJob, FlashRun, Method, Phase
from operations.lifecycle import append_log
from operations.models import Claim, Operation, OperationState
from slots.models import Board, Contents, Slot, SomType
from tests.flashing import rig
from tests.images.rig import person

NEW = "/boards/demo/flashing/new"
PANEL = {"HX-Request": "true"}


def text_of(client: Client, path: str, **headers: str) -> str:
    """What a reader sees, in one line."""
    answer = client.get(path, headers=headers)
    assert answer.status_code == 200, answer.content
    words = re.sub(r"<[^>]+>", " ", answer.content.decode())
    for name, sign in (("&rsquo;", "’"), ("&hellip;", "…"), ("&#x27;", "'"), ("&quot;", '"'), ("&ldquo;", "“")):
        words = words.replace(name, sign)
    return " ".join(words.split())


@pytest.fixture
def soms(board) -> None:
    """Heron, a CM4, in slot 2; kestrel, a CM5, in slot 3; slot 7 is empty."""
    Slot.objects.filter(number__in=(2, 3)).update(power_state="Off")


@pytest.fixture
def olga(soms) -> Client:
    return person("olga", "flasher")


@pytest.fixture
def vera(soms) -> Client:
    return person("vera", "viewer")


@pytest.fixture
def run(soms, image, flasher) -> FlashRun:
    """Both slots queued, and nobody there who takes them."""
    return rig.request(image, flasher, 2, 3)


def query(image, *numbers: int, profile: str = "none") -> str:
    slots = "&".join(f"slot={n}&to-{n}=file%2Ffile" for n in numbers)
    return f"{slots}&image={image.pk}&profile={profile}"


def is_at(run: FlashRun, number: int, phase: Phase, **fields: object) -> FlashJob:
    """Let one of its jobs be in that phase."""
    job = rig.job(run, number)
    Operation.objects.filter(pk=job.operation_id).update(state=OperationState.RUNNING, started_at=timezone.now())
    FlashJob.objects.filter(pk=job.pk).update(phase=phase, **fields)
    return rig.job(run, number)


def page_of(run: FlashRun) -> str:
    return f"/boards/demo/flashing/runs/{run.pk}/"


def test_the_first_step_says_which_slots_can_be_flashed_and_why_not_the_others(olga):
    page = text_of(olga, f"{NEW}/")
    assert "2 heron , CM4" in page
    assert "7 Empty No SOM is recorded in it." in page
    assert "Next: image" in page


def test_a_step_leads_to_the_one_that_is_not_answered_yet(olga, image):
    answer = olga.get(f"{NEW}/review/?slot=3")
    assert answer.status_code == 302
    assert answer["Location"] == f"{NEW}/image/?slot=3"
    answer = olga.get(f"{NEW}/first-boot/?slot=3&image={image.pk}&to-3=axdl%2FeMMC&profile=-1")
    assert answer["Location"].startswith(f"{NEW}/method/?slot=3")


def test_only_what_fits_can_be_chosen_and_the_rest_says_why(olga, image):
    image.som_types.set([SomType.objects.get(name="CM4")])
    assert "1 other, and why not raspios-lite" in text_of(olga, f"{NEW}/image/?slot=3")
    assert "is for CM4; slot 3 holds a CM5" in text_of(olga, f"{NEW}/image/?slot=3")
    assert "1 other" not in text_of(olga, f"{NEW}/image/?slot=2")


def test_the_ways_to_a_slot_are_offered_with_what_they_do_to_its_power(olga, image):
    page = text_of(olga, f"{NEW}/method/?slot=3&image={image.pk}")
    assert "rpiboot, then USB disk, eMMC USB 1-1.3" in page
    assert "Over the network (SSH) Slot 3 is Off" in page
    assert "stays in download mode afterwards" in page


def test_the_review_says_what_is_lost_and_asks_for_each_name(olga, image):
    page = text_of(olga, f"{NEW}/review/?{query(image, 2, 3)}")
    assert "Flash slots 2 and 3" in page
    assert "All that is on these media now is lost." in page
    assert "Type heron to go on" in page
    assert "Type kestrel to go on" in page
    assert "needs the role administrator" in page, "skipping the check"


def test_a_review_that_cannot_be_done_says_why_and_has_no_button(olga, image):
    image.som_types.set([SomType.objects.get(name="LM3H")])
    answer = olga.get(f"{NEW}/review/?{query(image, 2)}")
    assert b"is for LM3H; slot 2 holds a CM4" in answer.content
    assert b'id="flash"' not in answer.content


def test_what_was_reviewed_is_asked_for_and_watched(olga, image):
    answer = olga.post(f"{NEW}/review/?{query(image, 2, 3)}", {"typed-2": "heron", "typed-3": "kestrel", "key": "k1"})
    run = FlashRun.objects.get()
    assert answer["Location"] == page_of(run)
    assert [(job.number, job.method) for job in rig.jobs(run)] == [(2, "file"), (3, "file")]
    again = olga.post(f"{NEW}/review/?{query(image, 2, 3)}", {"typed-2": "heron", "typed-3": "kestrel", "key": "k1"})
    assert again["Location"] == page_of(run), "a click that is sent twice is one request"


def test_a_wrong_name_is_refused_and_nothing_is_asked_for(olga, image):
    answer = olga.post(f"{NEW}/review/?{query(image, 2)}", {"typed-2": "kestrel"}, headers=PANEL)
    assert answer.status_code == 400
    assert b"Type heron to confirm" in answer.content
    assert not FlashRun.objects.exists()


def test_to_skip_reading_back_a_reason_is_needed(soms, image):
    alice = person("alice", "administrator")
    said = {"typed-2": "heron", "unverified": "1", "unverified_reason": " "}
    assert alice.post(f"{NEW}/review/?{query(image, 2)}", said).status_code == 400
    alice.post(f"{NEW}/review/?{query(image, 2)}", said | {"unverified_reason": "a toy"})
    assert FlashRun.objects.get().unverified_reason == "a toy"


def test_an_operator_cannot_skip_reading_back(olga, image):
    said = {"typed-2": "heron", "unverified": "1", "unverified_reason": "hurry"}
    assert olga.post(f"{NEW}/review/?{query(image, 2)}", said).status_code == 403


@pytest.mark.parametrize("step", ["", "image/", "method/", "first-boot/", "review/"])
def test_a_viewer_may_read_every_step_and_go_on_from_none(vera, image, step):
    answer = vera.get(f"{NEW}/{step}?{query(image, 2)}")
    page = answer.content.decode()
    assert "needs the role flasher" in page
    assert 'type="submit"' not in re.sub(
        r"<dialog.*?</dialog>|<header class=\"topbar.*?</header>", "", page, flags=re.S
    )


def test_a_run_shows_bytes_on_the_device_its_rate_and_no_estimate_before_there_is_one(run, olga):
    is_at(run, 2, Phase.WRITING, done_bytes=930_000_000, total_bytes=2_710_000_000, progress_at=timezone.now())
    page = text_of(olga, page_of(run))
    assert "Writing 930 MB of 2.71 GB on the device no estimate yet" in page
    is_at(run, 2, Phase.WRITING, bytes_per_second=10_800_000, eta_seconds=165, progress_at=timezone.now())
    assert "10.8 MB /s 2:45 left" in text_of(olga, page_of(run)).replace("MB/s", "MB /s")


def test_figures_that_no_longer_come_say_so_instead_of_an_estimate(run, olga):
    long_ago = timezone.now() - timedelta(seconds=40)
    is_at(run, 2, Phase.WRITING, done_bytes=1, total_bytes=9, eta_seconds=165, progress_at=long_ago)
    page = text_of(olga, page_of(run))
    assert "nothing new for 40 s" in page
    assert "2:45 left" not in page


def test_a_bar_is_not_full_before_the_end(run, olga):
    is_at(run, 2, Phase.VERIFYING, done_bytes=1000, total_bytes=1000, progress_at=timezone.now())
    assert b'max="1000" value="995" aria-label="Verifying"' in olga.get(page_of(run)).content


def test_the_slowest_target_is_named_when_others_wait_for_it(run, olga):
    is_at(run, 2, Phase.WRITING, done_bytes=1, total_bytes=9, is_behind=True, progress_at=timezone.now())
    assert "held back by slot 2, the last that writes" in text_of(olga, page_of(run))


def end(run: FlashRun, number: int, state: OperationState, message: str, **fields: object) -> None:
    job = is_at(run, number, Phase.ENDED, **fields)
    Operation.objects.filter(pk=job.operation_id).update(state=state, message=message, ended_at=timezone.now())


def test_a_failure_says_where_and_what_is_left_and_offers_a_retry(run, olga):
    words = "The USB disk on 1-1.3 vanished after 412 MB. Slot 3 is Off and does not boot."
    end(run, 3, OperationState.FAILED, words, failed_in=Phase.WRITING, contents="unknown")
    page = text_of(olga, page_of(run))
    assert f"{words}" in page
    assert "Contents unknown" in page
    assert "Write , failed here" in page
    assert "Retry… slot 3" in page
    assert "1 running, 1 stopped" in page


def test_what_went_well_says_that_it_was_read_back(run, olga):
    for number in (2, 3):
        end(run, number, OperationState.SUCCEEDED, "", contents="image", total_bytes=9_000_000, hostname="demo-2")
    page = text_of(olga, page_of(run))
    assert "9 MB on the device, read back and equal." in page
    assert "It will call itself demo-2 ." in page
    assert "Retry" not in page
    assert "2 done" in page


def test_the_log_of_all_slots_is_numbered_the_same_on_the_page_after_a_reload_and_as_text(run, olga):
    for number, words in ((2, "identity checked"), (3, "line pressed"), (2, "4 MB written")):
        append_log(rig.job(run, number).operation, words)
    page = text_of(olga, page_of(run))
    assert re.search(r"1 [\d:.]+ slot 2: identity checked 2 [\d:.]+ slot 3: line pressed 3 [\d:.]+ slot 2: 4 MB", page)
    answer = olga.get(f"{page_of(run)}log.txt")
    assert answer["Content-Disposition"] == f'attachment; filename="flash-{run.pk.hex[:8]}.txt"'
    assert [line.split(maxsplit=3)[3] for line in answer.content.decode().splitlines()] == [
        "slot 2: identity checked",
        "slot 3: line pressed",
        "slot 2: 4 MB written",
    ]


def test_one_slot_is_cancelled_and_the_other_goes_on(run, olga):
    job = rig.job(run, 2)
    assert b'id="cancel-2"' in olga.get(page_of(run)).content
    olga.post(f"/boards/demo/flashing/jobs/{job.operation_id}/cancel")
    assert rig.ended(job) == ("cancelled", "cancelled")
    assert rig.ended(rig.job(run, 3)) == ("queued", "")


def test_all_are_cancelled_after_one_more_question(run, olga):
    is_at(run, 3, Phase.WRITING, contents="unknown")
    url = f"{page_of(run)}cancel"
    asked = text_of(olga, url)
    assert "2 heron, CM4 nothing written, stays as it is" in asked
    assert "3 kestrel, CM5 contents unknown afterwards, will not boot" in asked
    olga.post(url)
    assert rig.ended(rig.job(run, 2)) == ("cancelled", "cancelled")
    assert rig.job(run, 3).operation.cancel_requested_by == "olga"


def test_a_retry_is_a_new_run_after_the_name_is_typed(run, olga):
    end(run, 2, OperationState.CANCELLED, "Cancelled by olga.", contents="unknown")
    Operation.objects.filter(flash__run=run, flash__number=2).get().claim.delete()
    url = f"/boards/demo/flashing/jobs/{rig.job(run, 2).operation_id}/retry"
    assert "Type heron to go on" in text_of(olga, url)
    assert olga.post(url, {"typed": "wren"}).status_code == 400
    answer = olga.post(url, {"typed": "heron"}, headers={"HX-Request": "true"})
    again = FlashRun.objects.exclude(pk=run.pk).get()
    assert [(job.number, job.method, job.medium) for job in rig.jobs(again)] == [(2, "file", "file")]
    assert answer["HX-Redirect"] == page_of(again), "the whole page goes there, not only a dialog"


def test_a_viewer_watches_a_run_without_a_button(run, vera):
    is_at(run, 2, Phase.WRITING, done_bytes=1, total_bytes=9, progress_at=timezone.now())
    page = vera.get(page_of(run)).content.decode()
    assert "needs the role flasher" in page
    assert "1 running" in page or "2 running" in page
    for button in ("cancel-2", "cancel-all", "retry-2", "holding"):
        assert f'id="{button}"' not in page
    job = rig.job(run, 2)
    assert vera.post(f"/boards/demo/flashing/jobs/{job.operation_id}/cancel").status_code == 403
    assert vera.post(f"/boards/demo/flashing/jobs/{job.operation_id}/holding").status_code == 403
    assert vera.post(f"{page_of(run)}cancel").status_code == 403


def test_runs_are_listed_and_each_stays_as_it_ended(run, olga, vera):
    end(run, 2, OperationState.SUCCEEDED, "", contents="image")
    page = text_of(vera, "/boards/demo/flashing/")
    assert f"{run.pk.hex[:8]} raspios-lite no profile 2 Done 3 Queued" in page
    assert "1 running, 1 done" in page
    assert "You watch" in page
    assert "Flash slots…" in text_of(olga, "/boards/demo/flashing/")


def test_a_longer_list_of_runs_takes_no_more_queries(run, image, flasher, olga):
    def queries() -> int:
        with CaptureQueriesContext(connection) as asked:
            olga.get("/boards/demo/flashing/", headers=PANEL | {"HX-Target": "runs"})
        return len(asked)

    before = queries()
    for _ in range(3):
        Operation.objects.update(state=OperationState.CANCELLED)
        Claim.objects.all().delete()
        rig.request(image, flasher, 2, 3)
    assert queries() == before
    assert text_of(olga, "/boards/demo/flashing/").count("raspios-lite") == 4


def test_a_board_where_nothing_was_flashed_invites(olga, vera):
    assert "Nothing was flashed here yet Choose slots and an image" in text_of(olga, "/boards/demo/flashing/")
    assert "A flasher begins it" in text_of(vera, "/boards/demo/flashing/")


def test_a_run_and_its_jobs_are_found_on_their_own_board_only(run, olga):
    Board.objects.create(slug="other", name="Other")
    job = rig.job(run, 2)
    assert olga.get(f"/boards/other/flashing/runs/{run.pk}/").status_code == 404
    assert olga.post(f"/boards/other/flashing/jobs/{job.operation_id}/cancel").status_code == 404
    assert rig.ended(job) == ("queued", "")


def test_unknown_contents_are_told_wherever_the_slot_is_shown(soms, olga):
    said = {"contents": Contents.UNKNOWN, "contents_words": "Cancelled after 412 MB.", "contents_at": timezone.now()}
    Slot.objects.filter(number=2).update(**said)
    for path in ("/boards/demo/", "/boards/demo/slots/2/", f"{NEW}/"):
        assert "Contents unknown" in text_of(olga, path)
    assert "Contents of slot 2 unknown. Cancelled after 412 MB." in text_of(olga, "/boards/demo/")


def test_an_image_says_how_often_it_was_used(run, image, olga):
    assert re.search(r"2 slots, \d+ \w+ \d{4}", text_of(olga, "/images/"))


@pytest.fixture
def by_hand(soms, image, flasher) -> FlashRun:
    """Slot 3 by rpiboot, waiting for somebody to hold BOOT."""
    run = rig.request(image, flasher, 3, method=Method.RPIBOOT, medium="eMMC")
    until = timezone.now() + timedelta(seconds=94)
    is_at(run, 3, Phase.BOOT_MODE, hands_step=1, hands_deadline=until, usb_words="Nothing at USB 1-1.3.")
    return run


def test_hands_are_told_what_to_do_with_what_the_portal_sees_and_until_when(by_hand, olga):
    page = text_of(olga, page_of(by_hand))
    assert "Slot 3, kestrel, CM5: for your hands" in page
    assert "Connect the Type-C of slot 3's adapter to USB 1-1.3, hold its BOOT button, and keep holding" in page
    assert "only you can say that you hold it" in page
    assert "I am holding BOOT: press slot 3’s line" in page
    assert "Nothing at USB 1-1.3." in page
    assert "The portal cannot see buttons, nor a cable" in page
    assert "many carry power only" in page
    answer = olga.get(page_of(by_hand)).content.decode()
    assert re.search(r'<time datetime="[^"]+" data-left></time> left', answer)
    assert "Adapter in slot 3: BOOT button at its upper edge" in answer, "the drawing in words"


def test_who_holds_boot_says_so_once(by_hand, olga):
    job = rig.job(by_hand, 3)
    olga.post(f"/boards/demo/flashing/jobs/{job.operation_id}/holding")
    job.refresh_from_db()
    assert job.press_asked_by == "olga"
    page = olga.get(page_of(by_hand)).content.decode()
    assert re.search(r'id="holding" aria-disabled="true" aria-busy="true"', page)
    assert olga.post(f"/boards/demo/flashing/jobs/{job.operation_id}/holding").status_code == 409


@pytest.mark.parametrize(
    ("step", "now"), [(2, "Keep holding BOOT"), (3, "Let go of BOOT"), (4, "Wait for its storage")]
)
def test_the_next_step_lights_up_by_itself(by_hand, olga, step, now):
    is_at(by_hand, 3, Phase.BOOT_MODE, hands_step=step)
    page = olga.get(page_of(by_hand), headers=PANEL | {"HX-Target": "run"}).content.decode()
    assert re.search(rf'<li class="now" aria-current="step">.*?<h3>{now}', page)
    assert 'id="holding"' not in page


def test_a_viewer_sees_what_hands_do_and_cannot_say_that_boot_is_held(by_hand, vera):
    page = vera.get(page_of(by_hand)).content.decode()
    assert "hold its BOOT button" in page
    assert 'id="holding"' not in page
    assert 'id="cancel-3"' not in page


NINES = "9" * 5000


@pytest.mark.parametrize("query", ["slot=²", f"slot={NINES}", "slot=2&profile=²", f"slot=2&profile={NINES}"])
def test_numbers_that_are_none_count_as_not_chosen(olga, query):
    for step in ("slots", "image", "method"):
        assert olga.get(f"{reverse(f'flashing:{step}', args=['demo'])}?{query}").status_code in (200, 302)
