"""What a profile says reaches each kind of system in its own form; what it cannot be told is refused in words."""

import subprocess
import tomllib

import pytest
import yaml

from hardware.flash.firstboot import documents
from hardware.flash.firstboot.errors import FirstBootInvalid, FirstBootRefused
from hardware.flash.firstboot.forms import Kind, files_for, kind_of, why_not, with_what_is_needed
from hardware.flash.firstboot.passwords import crypt_hash
from hardware.flash.firstboot.values import MASK, SlotContext, Values, render_hostname, render_network
from tests.hardware.flash.boot_images import BOOKWORM, CLOUD_FILES, PI_FILES, TRIXIE

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDqGvJMyk3Xc1ycCeOcUvXyBmYHYYcO2nHyGXyYkAgpD anna@desk"
HASH = "$6$rounds=5000$saltsaltsaltsalt$" + "h" * 86
WIFI = """network:
  version: 2
  wifis:
    wlan0:
      dhcp4: true
      regulatory-domain: DE
      access-points:
        "the lab":
          password: correct horse  # battery staple
"""
ALL = Values("lab-3", "anna", HASH, (KEY,), "Europe/Berlin", WIFI)
SLOT = SlotContext("lab", 3, "Kestrel II", "CM5", "10000000abcd")


# Host names


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("{board}-{slot}", "lab-3"),
        ("{name}", "kestrel-ii"),
        ("{type}-{serial}", "cm5-10000000abcd"),
        ("Fixed", "fixed"),
        ("  ", ""),
        ("x" * 63, "x" * 63),
        ("3com", "3com"),
    ],
)
def test_a_template_becomes_a_host_name(template, name):
    assert render_hostname(template, SLOT) == name


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{bord}-{slot}", r"asks for \{bord\}; there are \{board\}, \{slot\}, \{name\}, \{type\}, \{serial\}\."),
        ("-{slot}", "“-3” cannot be a host name for slot 3: .* no hyphen at either end"),
        ("two words", "“two words” cannot be a host name: it takes letters"),
        ("käse-{slot}", "it takes letters"),
        ("a_b", "it takes letters"),
        ("lab.example.org", "one name without dots"),
        ("{slot}", "digits alone would be taken for an address"),
        ("x" * 64, "it has 64 characters, and 63 are the most"),
        ("{slot", "it takes letters"),
        ("{}", r"asks for \{\}; there are"),
    ],
)
def test_a_bad_template_is_refused_in_one_sentence(template, words):
    with pytest.raises(FirstBootInvalid, match=words) as caught:
        render_hostname(template, SLOT)
    assert str(caught.value).endswith(".")


def test_a_word_that_the_slot_does_not_have_is_missed():
    with pytest.raises(FirstBootInvalid, match=r"asks for \{name\}, and slot 4 has none recorded"):
        render_hostname("{name}", SlotContext("lab", 4))


def test_network_settings_take_the_same_placeholders_and_leave_all_else_in_braces_alone():
    assert render_network('{a: {b: "10.0.0.1{slot}/24"}} {name}', SlotContext("lab", 3)) == (
        '{a: {b: "10.0.0.13/24"}} {name}'
    )


# Kinds


@pytest.mark.parametrize(
    ("names", "label", "command", "kind"),
    [
        ({*PI_FILES, *CLOUD_FILES}, "bootfs", TRIXIE, Kind.CLOUD_INIT_PI),
        ({*PI_FILES, *CLOUD_FILES, "README"}, "system-boot", "", Kind.CLOUD_INIT),
        ({"USER-DATA", "META-DATA"}, "", "", Kind.CLOUD_INIT),
        (set(), "CIDATA", "", Kind.CLOUD_INIT),
        (PI_FILES, "bootfs", BOOKWORM, Kind.CUSTOM_TOML),
        (PI_FILES, "boot", TRIXIE, Kind.USERCONF),
        ({"boot.scr", "Image"}, "BOOT", "", Kind.NONE),
        ({"config.txt"}, "bootfs", "", Kind.NONE),
    ],
)
def test_an_image_s_boot_partition_tells_its_kind(names, label, command, kind):
    assert kind_of(names, label, command) is kind
    assert kind.words


def test_a_system_is_told_only_what_it_reads():
    assert why_not(ALL, Kind.CLOUD_INIT) == why_not(ALL, Kind.CUSTOM_TOML) == ""
    assert "cannot be told a host name, SSH keys, a time zone and network settings" in why_not(ALL, Kind.USERCONF)
    assert "it is too old or has been booted before" in why_not(ALL, Kind.USERCONF)
    assert "takes a user only with a password" in why_not(Values(user="anna"), Kind.USERCONF)
    assert "cannot be told cloud-init's user-data" in why_not(Values(user_data="#cloud-config\n"), Kind.CUSTOM_TOML)
    assert "Nothing in the image reads a first-boot profile" in why_not(ALL, Kind.NONE)
    with pytest.raises(FirstBootRefused):
        files_for(ALL, Kind.NONE, "lab/slot:3")


# Files


def test_cloud_init_is_told_everything():
    files = files_for(ALL, Kind.CLOUD_INIT, "lab/slot:3")
    assert set(files) == {"user-data", "meta-data", "network-config"}
    assert files["user-data"].startswith(b"#cloud-config\n")
    config = yaml.safe_load(files["user-data"])
    user = config.pop("users")[0]
    assert config == {
        "hostname": "lab-3", "manage_etc_hosts": True, "timezone": "Europe/Berlin", "ssh_pwauth": True
    }  # fmt: skip
    assert (user["name"], user["passwd"], user["lock_passwd"]) == ("anna", HASH, False)
    assert user["ssh_authorized_keys"] == [KEY]
    assert "sudo" in user["groups"].split(",")
    assert files["network-config"].decode() == WIFI, "as it was typed"
    meta = yaml.safe_load(files["meta-data"])
    assert meta.pop("instance-id").startswith("nanoportal-")
    assert meta == {"dsmode": "local", "local-hostname": "lab-3"}


def test_raspberry_pi_os_with_cloud_init_gets_ssh_and_the_groups_of_its_hardware():
    config = yaml.safe_load(files_for(ALL, Kind.CLOUD_INIT_PI, "lab/slot:3")["user-data"])
    assert config["enable_ssh"] is True
    assert {"gpio", "i2c", "sudo"} <= set(config["users"][0]["groups"].split(","))


def test_without_a_password_only_keys_sign_in():
    config = yaml.safe_load(files_for(Values(user="anna", ssh_keys=(KEY,)), Kind.CLOUD_INIT, "x")["user-data"])
    assert config["ssh_pwauth"] is False
    assert config["users"][0]["lock_passwd"] is True
    assert "passwd" not in config["users"][0]


def test_a_profile_without_a_user_leaves_the_image_s_own_user_data_alone():
    files = files_for(Values(hostname="lab-3", timezone="UTC"), Kind.CLOUD_INIT, "lab/slot:3")
    assert set(files) == {"vendor-data", "meta-data"}
    assert yaml.safe_load(files["vendor-data"])["timezone"] == "UTC"
    assert set(files_for(Values(network=WIFI), Kind.CLOUD_INIT, "x")) == {"network-config", "meta-data"}
    assert set(with_what_is_needed(files, {"meta-data", "user-data"})) == set(files)
    assert with_what_is_needed(files, set())["user-data"] == b"#cloud-config\n", "without it nothing is looked at"
    assert with_what_is_needed({"custom.toml": b""}, set()) == {"custom.toml": b""}


def test_raw_user_data_is_used_as_it_is_with_the_host_name_beside_it():
    raw = "#!/bin/sh\necho {slot} > /etc/motd\n"
    files = files_for(Values(hostname="lab-3", user_data=raw), Kind.CLOUD_INIT, "lab/slot:3")
    assert files["user-data"].decode() == raw
    assert yaml.safe_load(files["meta-data"])["local-hostname"] == "lab-3"


def test_no_two_slots_or_profiles_are_the_same_instance_and_the_same_one_is():
    def instance(values: Values, place: str) -> str:
        return yaml.safe_load(files_for(values, Kind.CLOUD_INIT, place)["meta-data"])["instance-id"]

    assert instance(ALL, "lab/slot:3") == instance(ALL, "lab/slot:3") != instance(ALL, "lab/slot:4")
    assert instance(ALL, "lab/slot:3") != instance(Values(hostname="lab-3"), "lab/slot:3")


def test_raspberry_pi_os_before_trixie_is_told_by_custom_toml():
    files = files_for(ALL, Kind.CUSTOM_TOML, "lab/slot:3")
    assert set(files) == {"custom.toml"}
    said = tomllib.loads(files["custom.toml"].decode())
    assert said == {
        "config_version": 1,
        "system": {"hostname": "lab-3"},
        "user": {"name": "anna", "password": HASH, "password_encrypted": True},
        "ssh": {"enabled": True, "password_authentication": True, "authorized_keys": [KEY]},
        "wlan": {"ssid": "the lab", "password": said["wlan"]["password"], "password_encrypted": True, "hidden": False,
                 "country": "DE"},
        "locale": {"timezone": "Europe/Berlin"},
    }  # fmt: skip


def test_the_key_of_a_wireless_network_is_the_one_that_ieee_gives_as_an_example():
    """IEEE 802.11i, annex H.4.2: passphrase "password", SSID "IEEE"."""
    wlan = documents.wireless(WIFI.replace('"the lab"', "IEEE").replace("correct horse", "password"))
    assert wlan
    assert wlan.key == "f42c6fc52df0ebef9ebb4b90b38a5f902e83fe1b135a70e23aed762e9710a12e"


def test_the_oldest_raspberry_pi_os_gets_a_user_and_ssh():
    files = files_for(Values(user="anna", password_hash=HASH), Kind.USERCONF, "x")
    assert files == {"userconf.txt": f"anna:{HASH}\n".encode(), "ssh": b""}


def test_quotes_and_letters_of_all_kinds_survive_both_formats():
    comment = 'anna\'s "desk" \\ Büro 🖥'
    values = Values(user="anna", ssh_keys=(f"{KEY.rpartition(' ')[0]} {comment}",))
    cloud = yaml.safe_load(files_for(values, Kind.CLOUD_INIT, "x")["user-data"])
    toml = tomllib.loads(files_for(values, Kind.CUSTOM_TOML, "x")["custom.toml"].decode())
    assert cloud["users"][0]["ssh_authorized_keys"] == toml["ssh"]["authorized_keys"] == list(values.ssh_keys)


# What is wrong with values


@pytest.mark.parametrize(
    ("values", "field", "words"),
    [
        (Values(), "hostname", "would change nothing"),
        (Values(ssh_keys=(KEY,)), "user", "belong to a user"),
        (Values(user="anna"), "user", "could never sign in"),
        (Values(user="root", ssh_keys=(KEY,)), "user", "is not root"),
        (Values(user="Anna B", ssh_keys=(KEY,)), "user", "lower-case"),
        (Values(user="anna", ssh_keys=("ssh-ed25519 AAAAfoo",)), "ssh_keys", "damaged or not complete"),
        (Values(user="anna", ssh_keys=(KEY.replace("ed25519", "rsa", 1),)), "ssh_keys", "damaged"),
        (Values(user="anna", ssh_keys=("hello",)), "ssh_keys", "no public key"),
        (Values(user="anna", ssh_keys=("-----BEGIN OPENSSH PRIVATE KEY-----",)), "ssh_keys", "private key"),
        (Values(timezone="Mars/Olympus"), "timezone", "is no time zone"),
        (Values(network="a: [b"), "network", r"no YAML, see line 1"),
        (Values(network="hello"), "network", "version: 2"),
        (Values(network="network: {version: 2}"), "network", "name no device"),
        (Values(network="network: {version: 2, ethernets: [eth0]}"), "network", "name no device"),
        (Values(network="network: {version: 2, ethernets: {eth0: yes}}"), "network", "its settings below it"),
        (Values(network="a: &a [x]\nnetwork: {version: 2, ethernets: {e: *a}}"), "network", "alias"),
        (Values(network="x" * 17_000), "network", "more than 16 KiB"),
        (Values(network="network:\x00"), "network", "control characters"),
        (Values(user_data="packages: [vim]"), "user_data", "in its first line"),
        (Values(user_data="#cloud-config\npackages: [vim"), "user_data", "no YAML"),
        (Values(user_data="#cloud-config\n- vim"), "user_data", "needs keys"),
        (Values(user_data="#cloud-config\na: 1", timezone="UTC"), "user_data", "leave those fields empty"),
    ],
)
def test_each_value_that_no_system_could_live_with_has_its_sentence(values, field, words):
    found = values.problems()
    assert words in found[field]
    assert found[field].endswith(".")


@pytest.mark.parametrize(
    "values",
    [
        ALL,
        Values(user_data="#cloud-config\npackages: [vim]\n", hostname="lab-3"),
        Values(user_data="#!/bin/sh\n: [unbalanced\n"),
        Values(network="version: 2\nethernets:\n  eth0:\n    dhcp4: true\n"),
        Values(network="network:\n  version: 2\n  ethernets:\n    eth0:\n"),
        Values(user_data="#cloud-config\na: &a [1]\nb: *a\n"),
        Values(user="a-2", password_hash=HASH, timezone="UTC"),
    ],
)
def test_what_is_right_has_none(values):
    assert values.problems() == {}


@pytest.mark.parametrize(
    "network",
    [
        'network: {version: 2, ethernets: {eth0: {addresses: ["10.0.0.2/24"]}}}',
        "network: {version: 2, wifis: {wlan0: {access-points: {a: {password: x}, b: {password: y}}}}}",
        "network: {version: 2, wifis: {wlan0: {access-points: {a: {auth: {key-management: eap}}}}}}",
        "network: {version: 2, bridges: {br0: {interfaces: [eth0]}}}",
        'network: {version: 2, wifis: {wlan0: {addresses: ["10.0.0.2/24"], access-points: {a: {}}}}}',
    ],
)
def test_network_settings_that_custom_toml_cannot_say_are_refused(network):
    values = Values(network=network)
    assert values.problems() == {}
    assert "can be told one wireless network with a password" in why_not(values, Kind.CUSTOM_TOML)
    assert why_not(values, Kind.CLOUD_INIT) == ""


def test_plain_ethernet_needs_no_word_in_custom_toml():
    values = Values(hostname="a", network="network: {version: 2, ethernets: {eth0: {dhcp4: true, optional: true}}}")
    assert "wlan" not in files_for(values, Kind.CUSTOM_TOML, "x")["custom.toml"].decode()


# Secrets


def test_masked_values_show_no_secret_in_any_form():
    raw = Values(hostname="a", user_data="#cloud-config\nwrite_files: [{content: s3cret}]\n")
    eap = "network: {version: 2, wifis: {w: {access-points: {a: {auth: {password: s3cret, identity: me}}}}}}"
    for values, kinds in (
        (ALL, (Kind.CLOUD_INIT, Kind.CLOUD_INIT_PI, Kind.CUSTOM_TOML)),
        (raw, (Kind.CLOUD_INIT,)),
        (Values(network=eap), (Kind.CLOUD_INIT,)),
        (Values(user="anna", password_hash=HASH), (Kind.USERCONF,)),
    ):
        for kind in kinds:
            text = b"".join(files_for(values.masked(), kind, "x").values()).decode()
            assert MASK in text
            assert not {secret for secret in (HASH, "correct horse", "battery staple", "s3cret") if secret in text}
            assert "hhhh" not in text
    assert KEY in files_for(ALL.masked(), Kind.CLOUD_INIT, "x")["user-data"].decode(), "public keys are public"


def test_values_keep_their_secrets_out_of_what_is_printed():
    assert HASH not in repr(ALL)
    assert "correct horse" not in repr(ALL)


def test_a_yaml_error_does_not_quote_the_document():
    words = Values(network="network:\n  password: s3cret: [").problems()["network"]
    assert "s3cret" not in words
    assert "see line 2" in words


def test_a_password_s_hash_is_the_one_that_openssl_makes_of_it():
    hashed = crypt_hash("Käse & Brot")
    salt = hashed.split("$")[3]
    assert hashed.startswith("$6$rounds=100000$")
    # openssl's own salt takes no rounds; with those of crypt(3) the two can be compared.
    command = ["openssl", "passwd", "-6", "-salt", f"rounds=100000${salt}", "-stdin"]
    made = subprocess.run(command, input="Käse & Brot\n", capture_output=True, text=True, check=True).stdout
    assert made.strip() == hashed
    assert crypt_hash("Käse & Brot") != hashed, "each has a salt of its own"


@pytest.mark.parametrize("password", ["", "x" * 129, "tab\there", "nul\0"])
def test_a_password_that_cannot_be_typed_is_refused(password):
    with pytest.raises(FirstBootInvalid, match="A password has 1 to 128 characters"):
        crypt_hash(password)
