"""The image library over REST: statuses, shapes and sentences that scripts hold on to."""

import json
import xml.etree.ElementTree as ElementTree

import pytest

from images.models import FirmwareImage, Upload
from images.services import checking, library
from operations.models import AuditEntry
from tests.images.rig import API, MIB, kept_image, person, raw_image, sha256, xz_image

pytestmark = pytest.mark.usefixtures("types")


@pytest.fixture
def image(flasher) -> FirmwareImage:
    return kept_image(xz_image(4), flasher, "2026-11-raspios-lite.img.xz")


def test_a_script_uploads_waits_and_finds_its_image_under_the_same_id(tus, olga):
    data = xz_image(4)
    upload_id = tus.upload(data, "pi.img.xz", sha256=f"{sha256(data)}  pi.img.xz\n")

    state = olga.get(f"{API}/uploads/{upload_id}").json()
    assert (state["state"], state["received_bytes"]) == ("checking", len(data))
    checking.run()
    assert olga.get(f"{API}/uploads/{upload_id}").status_code == 404
    found = olga.get(f"{API}/{upload_id}").json()
    assert (found["name"], found["format"], found["size_bytes"]) == ("pi", "xz", 4 * MIB)
    assert (found["sha256"], found["sha256_compared"], found["problem"]) == (sha256(data), True, "")
    assert found["partitions"][0]["label"] == "bootfs"
    head = tus.head(f"{API}/uploads/{upload_id}")
    assert head["Upload-Offset"] == head["Upload-Length"] == str(len(data)), "a client that lost the last answer"


def test_the_list_says_how_much_room_there_is(image, olga):
    answer = olga.get(API).json()
    assert (answer["count"], answer["used_bytes"], answer["quota_bytes"]) == (1, image.stored_bytes, 1 << 30)
    assert answer["disk_free_bytes"] > 0
    assert answer["images"][0]["som_types"] == ["CM4", "CM5"]
    assert olga.get(f"{API}?som_type=LM3H").json()["count"] == 0


def test_the_block_map_comes_as_a_bmap_file(image, olga):
    answer = olga.get(f"{API}/{image.pk}/bmap")
    assert answer["Content-Type"] == "application/xml"
    assert int(ElementTree.fromstring(answer.content).findtext("ImageSize")) == 4 * MIB


def test_a_block_map_is_given_before_the_last_byte(tus, olga, image):
    text = library.block_map(image).to_bmap()
    data = raw_image(4)
    url = tus.begin(len(data), "pi.img")
    assert olga.put(f"{url}/bmap", text, content_type="application/xml").status_code == 204
    tus.patch(url, 0, data)
    late = olga.put(f"{url}/bmap", text, content_type="application/xml")
    assert (late.status_code, late.json()["code"]) == (409, "too-late")
    checking.run()
    assert olga.get(f"{API}/{url.rpartition('/')[2]}").json()["block_map_given"]


def test_what_is_said_of_an_image_is_changed_field_by_field(image, olga):
    url = f"{API}/{image.pk}"
    answer = olga.patch(url, {"som_types": ["CM5"]}, content_type="application/json")
    assert answer.status_code == 200
    assert olga.patch(url, {"notes": "y"}, content_type="application/json").json()["notes"] == "y"
    assert (answer.json()["som_types"], answer.json()["fit_chosen_by"]) == (["CM5"], "olga")
    assert olga.patch(url, {"notes": "x"}, content_type="application/json").json()["som_types"] == ["CM5"]
    unknown = olga.patch(url, {"som_types": ["CM9"]}, content_type="application/json")
    assert (unknown.status_code, unknown.json()["code"]) == (400, "unknown-som-type")
    entry = json.loads(AuditEntry.objects.filter(action="image.edit").last().text)
    assert entry["detail"]["before"]["som_types"] == ["CM4", "CM5"]


def test_retire_bring_back_delete(image, olga):
    url, alice = f"{API}/{image.pk}", person("alice", "administrator")
    assert alice.delete(url).json()["code"] == "not-retired"
    assert olga.post(f"{url}/retire").json()["retired_at"]
    assert olga.post(f"{url}/retire").status_code == 409
    assert olga.post(f"{url}/bring-back").json()["retired_at"] is None
    assert olga.post(f"{url}/bring-back").status_code == 409
    olga.post(f"{url}/retire")
    assert olga.delete(url).status_code == 403
    with library.open_image(image):
        assert alice.delete(url).json()["code"] == "image-busy"
    assert alice.delete(url).status_code == 204
    assert alice.get(url).status_code == 404
    acts = list(AuditEntry.objects.values_list("action", "outcome").order_by("seq"))
    done = [act for act, outcome in acts if outcome == "done" and act != "image.upload"]
    assert done == ["image.retire", "image.bring-back", "image.retire", "image.delete"]
    assert ("image.delete", "refused") in acts


def test_a_file_of_the_server_is_imported(olga, data_dir):
    (data_dir / "import" / "pi.img").write_bytes(raw_image(2))
    answer = olga.post(f"{API}/import", {"path": "pi.img"}, content_type="application/json")
    assert (answer.status_code, answer.json()["state"]) == (202, "copying")
    checking.run()
    assert olga.get(f"{API}/{answer.json()['id']}").json()["origin"] == "pi.img"


ACTS = [
    ("get", "", "viewer", 200),
    ("get", "/{id}", "viewer", 200),
    ("get", "/{id}/bmap", "viewer", 200),
    ("get", "/uploads", "viewer", 200),
    ("post", "/import", "flasher", 404),  # no such file
    ("patch", "/{id}", "flasher", 200),
    ("post", "/{id}/retire", "flasher", 200),
    ("delete", "/{id}", "administrator", 409),  # not retired
]
RANK = ["viewer", "flasher", "administrator"]


@pytest.mark.parametrize(("method", "path", "least", "status"), ACTS)
def test_who_may_do_what(image, client, method, path, least, status):
    url = API + path.format(id=image.pk)
    body = {"data": {"path": "nothing"} if path == "/import" else {}, "content_type": "application/json"}
    more = body if method in ("post", "patch") else {}
    assert getattr(client, method)(url, **more).status_code == 401, "nobody without a session"
    for role in RANK:
        allowed = RANK.index(role) >= RANK.index(least)
        image.refresh_from_db()
        library.FirmwareImage.objects.update(retired_at=None)
        answer = getattr(person(f"p-{role}", role), method)(url, **more)
        assert answer.status_code == (status if allowed else 403), (role, answer.content)


def test_what_an_upload_says_is_seen_by_all_who_may_look(tus):
    tus.begin(10, "pi.img")
    seen = person("vera", "viewer").get(f"{API}/uploads").json()["uploads"]
    assert [(row["file_name"], row["actor"], row["state"]) for row in seen] == [("pi.img", "olga", "receiving")]
    assert Upload.objects.count() == 1


def test_texts_that_no_database_takes_are_refused_and_find_nothing_on_a_page(image, olga):
    assert olga.get(f"{API}?q=a%00b").status_code == 400
    for body in ({"notes": "a\0b"}, {"name": "a\0b"}, {"som_types": ["a\0b"]}):
        assert olga.patch(f"{API}/{image.pk}", body, content_type="application/json").status_code == 400
    assert olga.get("/images/?q=a%00b&som_type=%00").status_code == 200
