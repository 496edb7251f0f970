"""Where address and token come from, and where the token never goes."""

import os
import stat
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from nanoportal_client import access
from nanoportal_client.access import Access, clean_url, find
from nanoportal_client.commands import cli
from nanoportal_client.invocation import Invocation
from nanoportal_client.portal import Portal
from nanoportal_client.problems import Exit, Problem

URL, TOKEN = "https://portal.lan:8443", "np_abcdefgh_secret"


@pytest.fixture
def kept(tmp_path) -> Path:
    path = tmp_path / "nanoportal.toml"
    access.write(path, Access(URL, TOKEN, ca="", board="demo"))
    return path


def environ(path: Path, **more: str) -> dict[str, str]:
    return {"XDG_CONFIG_HOME": str(path.parent), **more}


def test_the_file_is_only_its_owners_and_is_read_again(kept: Path) -> None:
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert find(environ(kept)) == Access(URL, TOKEN, "", "demo")
    assert list(kept.parent.iterdir()) == [kept], "no draft is left"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o602, 0o644])
def test_a_file_that_others_can_read_or_write_is_refused(kept: Path, mode: int) -> None:
    kept.chmod(mode)
    with pytest.raises(Problem, match="chmod 600") as problem:
        find(environ(kept, NANOPORTAL_TOKEN="np_other"))
    assert problem.value.exit_code == Exit.USAGE


@pytest.mark.skipif(os.getuid() != 0, reason="needs to be root to give a file away")
@pytest.mark.root
def test_a_file_of_somebody_else_is_refused(kept: Path, monkeypatch) -> None:
    os.chown(kept, 65534, 65534)
    with pytest.raises(Problem, match="belongs to somebody else"):
        find(environ(kept))


def test_the_environment_comes_before_the_file(kept: Path) -> None:
    assert find(environ(kept, NANOPORTAL_TOKEN="np_other")).token == "np_other"
    found = find(environ(kept, NANOPORTAL_URL="http://127.0.0.1:8000/", NANOPORTAL_TOKEN="np_other"))
    assert (found.url, found.token) == ("http://127.0.0.1:8000", "np_other")


@pytest.mark.parametrize("other", ["https://elsewhere.lan:8443", "http://portal.lan:8443", "https://portal.lan"])
def test_the_kept_token_goes_to_no_other_address(kept: Path, other: str) -> None:
    with pytest.raises(Problem, match="There is no token for"):
        find(environ(kept, NANOPORTAL_URL=other))
    with pytest.raises(Problem, match="There is no token for"):
        find(environ(kept), url=other)


def test_a_redirection_is_said_and_not_followed() -> None:
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(str(request.url))
        return httpx.Response(302, headers={"Location": "https://evil.example/"})

    portal = Portal(Access("http://portal.lan", TOKEN), transport=httpx.MockTransport(answer))
    with pytest.raises(Problem, match=r"sends us to https://evil\.example: configure"):
        portal.get("/boards")
    assert seen == ["http://portal.lan/api/v1/boards"]


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://localhost:8000/", "http://localhost:8000"),
        ("https://Portal.LAN/lab/", "https://portal.lan/lab"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_addresses_as_they_are_used(text: str, url: str) -> None:
    assert clean_url(text) == url


@pytest.mark.parametrize(
    "text",
    ["", "portal.lan", "ftp://portal.lan", "http://", "https://a:b@portal.lan", "http://x:99999", "http://x/?a=1"],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(Problem) as problem:
        clean_url(text)
    assert problem.value.exit_code == Exit.USAGE


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("url = ", "is not TOML"),
        ('url = "https://x"\npassword = "y"', "password is not known"),
        ("token = 3", "token is not known"),
        ('url = "https://x"', "There is no token for https://x"),
        ("", "No portal is configured"),
        ('url = "https://x"\ntoken = "np_é"', "characters that no token has"),
    ],
)
def test_a_file_that_makes_no_sense_is_one_sentence(kept: Path, text: str, said: str) -> None:
    kept.write_text(text)
    with pytest.raises(Problem, match=said):
        find(environ(kept))


def test_a_file_that_was_named_must_be_there(tmp_path) -> None:
    with pytest.raises(Problem, match="cannot be read: No such file"):
        find({}, config=str(tmp_path / "none.toml"))


def test_no_option_takes_a_token() -> None:
    """Other people of the machine see command lines."""
    names = {name for command in (cli, *cli.commands.values()) for param in command.params for name in param.opts}
    assert "--url" in names
    assert not [name for name in names if "token" in name or "password" in name]


def test_a_token_is_in_no_word_that_is_shown() -> None:
    assert "secret" not in repr(Access(URL, TOKEN))


def test_configure_tries_the_token_before_it_keeps_it(tmp_path, olga, monkeypatch) -> None:
    path = tmp_path / "sub" / "client.toml"

    monkeypatch.chdir(tmp_path)

    def configure(token: str, *more: str) -> int:
        invocation = Invocation(environ={"NANOPORTAL_CONFIG": str(path)}, open_portal=olga.open)
        return (
            CliRunner()
            .invoke(cli, ["configure", "http://127.0.0.1:8000", *more], input=f"{token}\n", obj=invocation)
            .exit_code
        )

    assert configure("np_abcdefgh_wrong") == Exit.NOT_PERMITTED
    assert configure("") == Exit.USAGE
    assert not path.exists()
    assert configure(olga.token, "--ca", "lab-ca.pem") == Exit.DONE
    assert find({"NANOPORTAL_CONFIG": str(path)}) == Access(
        "http://127.0.0.1:8000", olga.token, str(tmp_path / "lab-ca.pem")
    ), "which is found from everywhere"
