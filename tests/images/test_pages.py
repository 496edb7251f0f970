"""The library's pages: what they show to whom, and that each act on them is the one it says."""

import re

import pytest
from django.test import Client

from images.models import FirmwareImage, Upload
from images.services import checking, library, uploads
from slots.models import SomType
from tests.images.rig import kept_image, person, raw_image, uploaded, xz_image

PAGE = "/images/"
PANEL = {"HX-Request": "true"}


def text_of(client: Client, path: str, **headers: str) -> str:
    """What a reader sees, in one line."""
    answer = client.get(path, headers=headers)
    assert answer.status_code == 200, answer.content
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split()).replace("&rsquo;", "’")


@pytest.fixture
def alice(types) -> Client:
    return person("alice", "administrator")


@pytest.fixture
def vera(types) -> Client:
    return person("vera", "viewer")


@pytest.fixture
def image(flasher, types) -> FirmwareImage:
    return kept_image(xz_image(4), flasher, "2026-11-raspios-lite.img.xz")


def test_an_empty_library_invites(olga, vera):
    assert "No image yet Upload one here" in text_of(olga, PAGE)
    assert "A flasher uploads them" in text_of(vera, PAGE)
    assert "needs the role flasher" in text_of(vera, PAGE)
    assert "0 images, 0 B of 1.07 GB used" in text_of(olga, PAGE)
    assert text_of(olga, "/images/room").startswith("0 images, 0 B of 1.07 GB used")


def test_an_image_is_listed_with_what_matters_of_it(image, vera):
    page = text_of(vera, PAGE)
    assert "2026-11-raspios-lite xz" in page
    assert "of 4.19 MB" in page
    assert "CM4, CM5 guessed" in page
    assert f"{image.sha256[:6]}…{image.sha256[-4:]}".replace("…", "&hellip;") in page
    assert "Usable" in page


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("q=raspios", True),
        ("q=lpi3h", False),
        ("som_type=CM5", True),
        ("som_type=LM3H", False),
        ("state=retired", False),
    ],
)
def test_filters_find_what_fits(image, vera, query, found):
    assert ("2026-11-raspios-lite xz" in text_of(vera, f"{PAGE}?{query}")) == found


def test_a_hash_finds_its_image(image, vera):
    assert "2026-11-raspios-lite xz" in text_of(vera, f"{PAGE}?q={image.sha256[:8].upper()}")


def test_an_image_whose_file_was_changed_says_so(image, vera):
    from images import store

    store.kept(image.pk).chmod(0o600)
    with open(store.kept(image.pk), "ab") as stream:
        stream.write(b"?")
    assert "Damaged" in text_of(vera, PAGE)
    assert "somebody changed it" in text_of(vera, f"{PAGE}{image.pk}/")


def test_the_page_of_an_image_shows_partitions_and_where_it_came_from(image, vera):
    page = text_of(vera, f"{PAGE}{image.pk}/")
    assert "MBR" in page
    assert "1 bootfs boot partition FAT vfat 1.05 MB 3.15 MB" in page
    assert image.sha256 in page
    assert "nothing was given to compare with" in page
    assert "Guessed" not in page, "a viewer cannot choose"
    assert "needs the role flasher" in page


def test_what_it_is_for_is_guessed_then_chosen(image, olga):
    url = f"{PAGE}{image.pk}/"
    assert "Guessed from its name and partitions" in text_of(olga, url)
    chosen = [SomType.objects.get(name="CM4").pk]
    answer = olga.post(url, {"name": "Raspberry Pi OS", "som_types": chosen, "notes": "for the lab"})
    assert answer.status_code == 302
    image.refresh_from_db()
    assert (image.name, image.notes, image.fit_chosen_by) == ("Raspberry Pi OS", "for the lab", "olga")
    assert [som_type.name for som_type in image.som_types.all()] == ["CM4"]
    assert "Chosen by olga." in text_of(olga, url)


def test_a_guess_that_somebody_keeps_is_their_choice(image, olga):
    types = [som_type.pk for som_type in image.som_types.all()]
    olga.post(f"{PAGE}{image.pk}/", {"name": image.name, "som_types": types, "notes": ""})
    image.refresh_from_db()
    assert image.fit_chosen_by == "olga"


def test_an_image_without_a_name_is_refused_in_place(image, olga):
    answer = olga.post(f"{PAGE}{image.pk}/", {"name": " ", "som_types": []})
    assert answer.status_code == 400
    assert b"This field is required" in answer.content


def test_it_is_retired_brought_back_and_deleted_only_when_retired(image, alice, olga):
    url = f"{PAGE}{image.pk}/"
    assert alice.post(f"{url}delete").status_code == 409
    assert olga.post(f"{url}retire").status_code == 302
    assert "Retired" in text_of(olga, PAGE)
    assert olga.post(f"{url}bring-back").status_code == 302
    assert olga.post(f"{url}retire").status_code == 302
    assert olga.post(f"{url}delete").status_code == 403, "a flasher does not delete"
    assert "Type the image’s name" in text_of(alice, f"{url}delete", **PANEL)
    answer = alice.post(f"{url}delete", headers=PANEL)
    assert answer["HX-Redirect"] == PAGE
    assert alice.get(url).status_code == 404


def test_uploads_are_shown_to_all_and_given_up_by_whom_they_belong_to(olga, alice, vera, flasher):
    begun = Client.post(olga, "/api/v1/images/uploads", headers={
        "Tus-Resumable": "1.0.0", "Upload-Length": "1000000", "Upload-Metadata": "filename cGkuaW1n"
    })  # fmt: skip
    assert begun.status_code == 201
    upload = Upload.objects.get()
    assert "pi.img olga Receiving 0 B of 1 MB" in text_of(vera, "/images/uploads")
    assert "data-upload" in olga.get("/images/uploads").content.decode()
    assert "data-upload" not in alice.get("/images/uploads").content.decode(), "only its owner can go on with it"
    assert "cancel" not in vera.get("/images/uploads").content.decode()
    assert vera.post(f"/images/uploads/{upload.pk}/cancel").status_code == 403
    assert olga.post(f"/images/uploads/{upload.pk}/cancel", headers=PANEL).status_code == 200
    assert Upload.objects.count() == 0


def test_a_refused_upload_says_why_until_it_is_put_away(olga, flasher):
    broken = uploaded(xz_image(4)[:4000], flasher, "cut.img.xz")
    Upload.objects.update(actor_user_id=olga.session["_auth_user_id"])
    checking.run()
    page = text_of(olga, "/images/uploads")
    assert "cut.img.xz" in page
    assert "Nothing was kept. code image-truncated" in page
    olga.post(f"/images/uploads/{broken.pk}/cancel", headers=PANEL)
    assert "cut.img.xz" not in text_of(olga, "/images/uploads")


def test_a_file_of_the_server_is_chosen_from_a_list(olga, vera, data_dir):
    assert "There is no file in" in text_of(olga, "/images/import", **PANEL)
    (data_dir / "import" / "pi.img").write_bytes(raw_image(2))
    assert "pi.img (2.1 MB)" in text_of(olga, "/images/import", **PANEL)
    assert vera.post("/images/import", {"path": "pi.img"}).status_code == 403
    answer = olga.post("/images/import", {"path": "pi.img"}, headers=PANEL)
    assert answer.status_code == 200
    assert "Copying" in answer.content.decode()
    checking.run()
    assert FirmwareImage.objects.get().origin == "pi.img"


def test_the_list_stays_in_few_queries_however_many_images(image, vera, flasher, django_assert_max_num_queries):
    for number in range(3):
        copy = FirmwareImage.objects.get(pk=image.pk)
        copy.pk, copy.sha256 = None, str(number) * 64
        copy.save(force_insert=True)
    vera.get(PAGE)
    with django_assert_max_num_queries(20):
        vera.get(PAGE)


def test_a_reader_keeps_an_image_from_being_deleted(image, administrator):
    library.retire(image, administrator)
    with library.open_image(image), pytest.raises(library.Busy, match="is being read"):
        library.delete(image, administrator)
    library.delete(image, administrator)
    assert uploads.store.ids_on_disk() == set()
