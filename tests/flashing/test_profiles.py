"""First-boot profiles are kept with their secrets sealed, and brought to an image for each slot of a run."""

import json
from collections.abc import Iterator

import pytest
import yaml
from django.db import connection

from flashing import sealing
from flashing.models import Profile
from flashing.services import profiles
from flashing.services.profiles import Wish
from hardware.flash.firstboot.errors import FirstBootRefused
from hardware.flash.firstboot.forms import Kind
from hardware.flash.firstboot.values import MASK, SlotContext
from hardware.flash.target import FileTarget
from hardware.program_errors import ProgramMissing
from images import store
from images.models import FirmwareImage
from operations.models import AuditEntry
from operations.refusals import BadRequest, Busy, Conflict, NotFound, NotPermitted, Unavailable
from tests.flashing import rig
from tests.hardware.flash.boot_images import (
    CLOUD_FILES,
    PI_FILES,
    BootImage,
    boot_part,
    contents,
    fsck,
    make_boot_image,
)  # fmt: skip
from tests.images import rig as images

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDqGvJMyk3Xc1ycCeOcUvXyBmYHYYcO2nHyGXyYkAgpD anna@desk"
NETWORK = "network:\n  version: 2\n  wifis:\n    wlan0:\n      access-points:\n        lab: {password: correct horse}\n"
USER_DATA = "#cloud-config\nwrite_files:\n- {path: /root/token, content: t0ken-of-mine}\n"
SECRETS = ("Käse & Brot", "correct horse", "t0ken-of-mine")
SLOTS = (SlotContext("demo", 2, "heron", "CM4"), SlotContext("demo", 3, "kestrel", "CM5"))


@pytest.fixture
def wish() -> Wish:
    return Wish("Lab", "{board}-{slot}", "anna", f"{KEY}\r\n\r\n", "Europe/Berlin", SECRETS[0], NETWORK)


@pytest.fixture
def profile(db, flasher, wish) -> Profile:
    return profiles.create(wish, flasher)


@pytest.fixture(scope="module")
def boot_image(tmp_path_factory) -> BootImage:
    path = tmp_path_factory.mktemp("boot") / "disk.img"
    return make_boot_image(path, PI_FILES | CLOUD_FILES, width=12)


@pytest.fixture
def image(db, flasher, boot_image) -> FirmwareImage:
    return images.kept_image(boot_image.path.read_bytes(), flasher, "raspios.img")


def everything_kept() -> str:
    """The whole database as text."""
    with connection.cursor() as cursor:
        tables = connection.introspection.table_names(cursor)
        tables.remove("operations_auditwords")  # an index without text of its own
        rows = []
        for table in tables:
            cursor.execute(f'SELECT * FROM "{table}"')
            rows += cursor.fetchall()
    return repr(rows)


# Keeping


def test_a_profile_is_kept_and_its_secrets_are_sealed(profile, caplog):
    kept = profiles.find(profile.pk)
    assert (kept.name, kept.hostname_template, kept.user, kept.timezone) == (
        "Lab", "{board}-{slot}", "anna", "Europe/Berlin"
    )  # fmt: skip
    assert kept.ssh_keys == KEY
    assert (kept.created_by, kept.changed_by) == ("olga", "olga")
    assert sealing.unseal(kept.password_sealed, "password").startswith("$6$")
    assert sealing.unseal(kept.network_sealed, "network") == NETWORK
    text = everything_kept() + caplog.text
    assert not [secret for secret in (*SECRETS, "$6$") if secret in text]


def test_what_was_done_is_audited_by_the_names_of_fields_alone(profile, flasher, wish):
    profiles.edit(profile, Wish(**{**vars(wish), "user": "bert", "password": None, "network": None}), flasher)
    profiles.delete(profiles.find(profile.pk), flasher)
    entries = AuditEntry.objects.filter(target="profile:Lab").order_by("seq")
    said = [(entry.action, json.loads(entry.text)["detail"].get("fields")) for entry in entries]
    assert said == [
        ("profile.create", ["hostname_template", "name", "network", "password", "ssh_keys", "timezone", "user"]),
        ("profile.edit", ["user"]),
        ("profile.delete", None),
    ]


def test_a_secret_that_is_not_given_stays_and_an_empty_one_goes(profile, flasher, wish):
    sealed = profile.password_sealed, profile.network_sealed
    kept = profiles.edit(profile, Wish(**{**vars(wish), "password": None, "network": None}), flasher)
    assert (kept.password_sealed, kept.network_sealed) == sealed
    gone = profiles.edit(kept, Wish(**{**vars(wish), "password": "", "network": ""}), flasher)
    assert (gone.password_sealed, gone.network_sealed) == ("", "")
    assert profiles.described(gone)["has_password"] is False


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"name": " "}, "name", "needs a name"),
        ({"hostname_template": "{nothing}"}, "hostname_template", "asks for {nothing}"),
        ({"password": "tab\t"}, "password", "1 to 128 characters"),
        ({"user": "", "password": ""}, "user", "belong to a user"),
        ({"ssh_keys": "hello"}, "ssh_keys", "no public key"),
        ({"timezone": "Mars"}, "timezone", "is no time zone"),
        ({"network": "network: {version: 1}"}, "network", "version: 2"),
        ({"user_data": "hello"}, "user_data", "used as it is"),
    ],
)
def test_what_cannot_be_is_refused_by_field_and_nothing_is_kept(db, flasher, wish, change, field, words):
    bad = Wish(**{**vars(wish), **change})
    found = profiles.problems(bad)
    assert words in found[field]
    assert len(found) == 1
    with pytest.raises(BadRequest):
        profiles.create(bad, flasher)
    assert not Profile.objects.exists()


def test_an_empty_profile_would_change_nothing(db, flasher):
    assert profiles.problems(Wish("Lab")) == {
        "hostname_template": "The profile would change nothing: give it at least one value."
    }


def test_names_are_unique_and_one_keeps_its_own(profile, flasher, wish, monkeypatch):
    assert "already" in profiles.problems(wish)["name"]
    assert profiles.problems(wish, profile) == {}
    monkeypatch.setattr(profiles, "_tried", lambda wish, row: (profiles._row_of(wish, row), {}))  # two at once
    with pytest.raises(Conflict, match="of that name already"):
        profiles.create(wish, flasher)


def test_a_viewer_sees_and_changes_nothing(profile, viewer, wish):
    for act in (
        lambda: profiles.create(Wish(**{**vars(wish), "name": "Other"}), viewer),
        lambda: profiles.edit(profile, wish, viewer),
        lambda: profiles.delete(profile, viewer),
    ):
        with pytest.raises(NotPermitted):
            act()
    assert [one.name for one in profiles.usable()] == ["Lab"]


def test_a_profile_that_is_gone_is_said_to_be(db):
    with pytest.raises(NotFound, match="may have been deleted"):
        profiles.find(4711)


def test_while_a_flash_uses_it_a_profile_stays_as_it_is(board, profile, image, flasher, wish):
    run = rig.request(rig.kept_image(flasher), flasher, 2)
    run.profile = profile
    run.save()
    for act in (lambda: profiles.edit(profile, wish, flasher), lambda: profiles.delete(profile, flasher)):
        with pytest.raises(Busy, match="has not ended"):
            act()
    rig.job(run).operation.delete()
    profiles.delete(profile, flasher)


# Secrets


def test_with_another_key_nothing_opens_and_the_sentence_says_what_to_do(profile, image, settings):
    settings.SECRET_KEY = "another"
    words = "The secrets of Lab cannot be opened: the portal's key is another one. Enter them again."
    assert profiles.why_not(profile, image, SLOTS) == words
    with pytest.raises(Unavailable, match="cannot be opened"):
        profiles.preview(profile, Kind.CLOUD_INIT, SLOTS[0])


def test_what_is_sealed_as_one_thing_is_not_opened_as_another(db):
    sealed = sealing.seal("secret", "password")
    assert "secret" not in sealed
    assert sealing.seal("secret", "password") != sealed, "the same secret twice cannot be told to be"
    with pytest.raises(sealing.SealBroken):
        sealing.unseal(sealed, "network")
    with pytest.raises(sealing.SealBroken):
        sealing.unseal(f"{sealed[:-4]}AAAA", "password")
    assert sealing.seal("", "password") == sealing.unseal("", "password") == ""


def test_a_preview_shows_what_is_written_with_secrets_masked(profile, flasher, wish):
    files = dict(profiles.preview(profile, Kind.CLOUD_INIT_PI, SLOTS[1]))
    assert yaml.safe_load(files["user-data"])["hostname"] == "demo-3"
    raw = profiles.create(Wish("Raw", "{board}-{slot}", user_data=USER_DATA), flasher)
    shown = "".join([*files.values(), *(text for _, text in profiles.preview(raw, Kind.CLOUD_INIT, SLOTS[1]))])
    assert MASK in shown
    assert KEY in shown
    assert not [secret for secret in (*SECRETS, "$6$") if secret in shown]
    with pytest.raises(FirstBootRefused):
        profiles.preview(raw, Kind.USERCONF, SLOTS[1])


def test_a_wish_keeps_its_secrets_out_of_what_is_printed(wish):
    assert repr(wish) == "Wish('Lab')"


# Host names


def test_each_slot_has_its_host_name(profile):
    assert profiles.hostnames(profile, SLOTS) == {2: "demo-2", 3: "demo-3"}


def test_two_slots_of_a_run_never_have_the_same(profile):
    profile.hostname_template = "{board}"
    with pytest.raises(BadRequest, match=r"Slots 2 and 3 would both be called demo: put \{slot\} into the host name"):
        profiles.hostnames(profile, SLOTS)
    assert profiles.hostnames(profile, SLOTS[:1]) == {2: "demo"}
    profile.hostname_template = ""
    assert profiles.hostnames(profile, SLOTS) == {2: "", 3: ""}


def test_what_is_known_of_a_slot_comes_from_its_som(board):
    context = profiles.context_of(rig.slot(3))
    assert (context.board, context.number, context.som_type) == ("demo", 3, "CM5")
    assert profiles.context_of(rig.slot(7)) == SlotContext("demo", 7)


# Bringing it to an image


def test_an_image_s_kind_is_found_once_and_kept_beside_it(image, monkeypatch):
    assert profiles.kind_of(image) is Kind.CLOUD_INIT_PI
    monkeypatch.setenv("PATH", "/nowhere")  # it needs no program any more
    assert profiles.kind_of(image) is Kind.CLOUD_INIT_PI
    kept = store.kept(image.pk).with_suffix(".kind")
    kept.write_text("something else")
    with pytest.raises(ProgramMissing, match="apt install mtools"):
        profiles.kind_of(image)
    store.drop(image.pk)
    assert not kept.exists(), "it goes with the image"


def test_what_an_image_cannot_be_told_is_said_before_the_run(profile, image, flasher, tmp_path):
    assert profiles.why_not(profile, image, SLOTS) == ""
    bare = make_boot_image(tmp_path / "bare.img", {"boot.scr": "?"}, width=12)
    other = images.kept_image(bare.path.read_bytes(), flasher, "bare.img")
    assert "Nothing in the image reads a first-boot profile" in profiles.why_not(profile, other, SLOTS)
    assert profiles.kind_of(other) is Kind.NONE
    other.boot_partition = None
    assert "has no FAT boot partition" in profiles.why_not(profile, other, SLOTS)
    profile.hostname_template = "{board}"
    assert "Slots 2 and 3 would both" in profiles.why_not(profile, image, SLOTS)
    broken = images.kept_image(images.raw_image(4), flasher, "broken.img")
    assert "Nothing in the image reads" in profiles.why_not(profile, broken, SLOTS[:1])


@pytest.fixture
def disk(boot_image, tmp_path) -> Iterator[FileTarget]:
    path = tmp_path / "slot.disk"
    path.write_bytes(boot_image.path.read_bytes())
    target = FileTarget.open(path)
    yield target
    target.close()


def test_each_slot_gets_files_of_its_own(profile, image, boot_image, disk, tmp_path):
    made = profiles.overlays(profile, image, SLOTS, tmp_path / "work")
    assert set(made) == {2, 3}
    made[3].apply(disk)
    boot = boot_part(tmp_path / "slot.disk", boot_image.partition, tmp_path / "boot")
    assert fsck(boot) == ""
    config = yaml.safe_load(contents(boot, "user-data"))
    assert config["hostname"] == "demo-3"
    assert config["users"][0]["passwd"].startswith("$6$")
    assert contents(boot, "network-config").decode() == NETWORK
    assert yaml.safe_load(contents(boot, "meta-data"))["local-hostname"] == "demo-3"
    assert list((tmp_path / "work").iterdir()) == []


def test_a_profile_that_does_not_fit_the_image_ends_in_words(profile, flasher, tmp_path):
    bare = make_boot_image(tmp_path / "bare.img", {"boot.scr": "?"}, width=12)
    other = images.kept_image(bare.path.read_bytes(), flasher, "bare.img")
    with pytest.raises(FirstBootRefused):
        profiles.overlays(profile, other, SLOTS, tmp_path / "work")
    assert list((tmp_path / "work").iterdir()) == []


def test_what_a_killed_process_left_is_swept(image, data_dir, monkeypatch):
    left = data_dir / "flash" / "looking" / "boot-1234"
    left.mkdir(parents=True)
    (left / "boot.img").write_bytes(b"?")
    profiles.kind_of(image)
    assert left.exists(), "it may be somebody's who is at work"
    store.kept(image.pk).with_suffix(".kind").unlink()
    monkeypatch.setattr(profiles, "LEFT_OVER_SECONDS", -1.0)
    profiles.kind_of(image)
    assert not left.exists()
