"""What people and clients write, taken apart: checksum files, protocol headers, names."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from images import checksums, fitting, tus
from operations.refusals import BadRequest, Refused

A, B = "a" * 64, "b" * 64


@pytest.mark.parametrize(
    "text",
    [
        A,
        A.upper(),
        f"  {A}\n",
        f"{A}  pi.img.xz\n",
        f"{A} *pi.img.xz\n",
        f"{A}  some/folder/pi.img.xz\n",
        f"{A}  was-called-otherwise.img.xz\n",
        f"# a comment\n{A}  pi.img.xz",
        f"SHA256 (pi.img.xz) = {A}\n",
        f"SHA256(pi.img.xz)= {A}\n",
        f"{B}  other.img\n{A}  pi.img.xz\n",
    ],
)
def test_a_sha256_is_found_however_it_is_written(text):
    assert checksums.parse_sha256(text, "pi.img.xz") == A


def test_no_checksum_is_none():
    assert checksums.parse_sha256(" \n", "pi.img.xz") == ""


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("hello", "64 hexadecimal digits"),
        (A[:-1], "64 hexadecimal digits"),
        (f"{A}  one.img\n{B}  two.img", "does not name pi.img.xz"),
    ],
)
def test_what_is_none_of_it_is_refused(text, sentence):
    with pytest.raises(BadRequest, match=sentence):
        checksums.parse_sha256(text, "pi.img.xz")


@given(st.text(), st.text())
def test_no_text_breaks_the_reading_of_checksums(text, name):
    with contextlib.suppress(Refused):
        found = checksums.parse_sha256(text, name)
        assert found == "" or checksums.BARE.fullmatch(found)


@given(st.dictionaries(st.from_regex(r"[a-z]{1,10}", fullmatch=True), st.text(), max_size=5))
def test_metadata_is_read_as_it_is_written(values):
    assert tus.metadata(tus.metadata_of(values)) == values


@given(st.text())
def test_no_header_breaks_the_reading_of_the_protocol(text):
    for read in (tus.metadata, tus.checksum, lambda text: tus.number({"Upload-Length": text}, "Upload-Length")):
        with contextlib.suppress(Refused):
            read(text)


def test_a_name_given_twice_is_refused():
    with pytest.raises(BadRequest, match="twice"):
        tus.metadata("filename YQ==,filename Yg==")


@pytest.mark.parametrize(
    ("name", "guess"),
    [
        ("2024-11-19-raspios-bookworm-arm64-lite.img.xz", {"CM4", "CM5"}),
        ("ubuntu-24.04-preinstalled-server-arm64+raspi.img.xz", {"CM4", "CM5"}),
        ("LPI3H_Debian_12.img.gz", {"LM3H"}),
        ("AX650-m4n-v2.axp", {"M4N"}),
        ("k3s-cm4-gold.img", {"CM4"}),
        ("disk.img", set()),
    ],
)
def test_names_say_what_an_image_is_for(name, guess):
    types = {"CM4": "rpiboot", "CM5": "rpiboot", "LM3H": "ums", "M4N": "axdl"}
    assert fitting.guess(name, [], types) == guess
