"""Clients of the upload protocol that nobody here wrote: tuspy, and tus-js-client in a real browser."""

import random
from pathlib import Path
from typing import Any

import pytest
from tusclient.client import TusClient
from tusclient.exceptions import TusCommunicationError

from tests.browser import tus_js
from tests.portal import wait_for

pytestmark = pytest.mark.browser
API = "/api/v1/images"
CHUNK = 8 << 20


@pytest.fixture
def client(portal):
    return portal.sign_in("olga")


def tuspy(portal, client) -> TusClient:
    """tuspy with the session of a person."""
    cookies = "; ".join(f"{name}={value}" for name, value in client.http.cookies.items())
    return TusClient(f"{portal.url}{API}/uploads", headers={"Cookie": cookies, "X-CSRFToken": client.csrf()})


def noise(path: Path, size: int) -> Path:
    path.write_bytes(random.Random(path.name).randbytes(size))
    return path


def kept(portal, client, url: str) -> bytes:
    """The image that an upload became, as it lies in the library."""
    image_id = url.rpartition("/")[2]
    wait_for(lambda: client.get(f"{API}/{image_id}").status_code == 200, 60, "the inspection to end")
    name = f"{image_id.replace('-', '')}.img"
    return (portal.data / "var" / "images" / "library" / name).read_bytes()


def test_tuspy_uploads_with_checksums_and_goes_on_where_the_killed_portal_was(portal, client, tmp_path):
    file = noise(tmp_path / "tuspy.img", 2 * CHUNK + 12345)
    more: dict[str, Any] = {"chunk_size": CHUNK, "metadata": {"filename": file.name}, "upload_checksum": True}
    first = tuspy(portal, client).uploader(str(file), **more)
    first.upload(stop_at=CHUNK)
    portal.kill("web")
    wait_for(portal.healthy, 30, "the portal to be back")

    second = tuspy(portal, client).uploader(str(file), url=first.url, **more)
    assert second.offset == CHUNK
    second.upload()

    assert kept(portal, client, first.url) == file.read_bytes()


def test_tuspy_is_told_that_there_is_no_room(portal, client, tmp_path):
    file = tmp_path / "huge.img"
    with open(file, "wb") as stream:
        stream.truncate(1 << 40)
    with pytest.raises(TusCommunicationError) as refused:
        tuspy(portal, client).uploader(str(file), chunk_size=CHUNK, metadata={"filename": file.name}).upload_chunk()
    assert refused.value.status_code == 422
    assert b"has room for" in refused.value.response_content


UPLOAD = """
([size, stopAfter, url]) => new Promise((resolve, reject) => {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at += 4) bytes[at] = (at / 4) % 251;
  const token = document.cookie.match(/csrftoken=([^;]*)/)[1];
  const upload = new tus.Upload(new File([bytes], "tus-js.img"), {
    endpoint: "/api/v1/images/uploads",
    uploadUrl: url,
    chunkSize: 8 * 1024 * 1024,
    retryDelays: [0, 500, 1000, 2000, 4000],
    metadata: { filename: "tus-js.img" },
    headers: { "X-CSRFToken": token },
    onError: reject,
    onSuccess: () => resolve(upload.url),
    onChunkComplete: (_size, accepted) => {
      if (stopAfter && accepted >= stopAfter) upload.abort().then(() => resolve(upload.url));
    },
  });
  upload.start();
})
"""


def test_tus_js_client_uploads_stops_and_goes_on_after_a_reload(visit, portal, client):
    size = 2 * CHUNK + 4321
    page = visit("/account/", "olga")
    page.evaluate(tus_js.script())
    url = page.evaluate(UPLOAD, [size, CHUNK, None])
    upload = client.get(url.removeprefix(portal.url)).json()
    assert upload["received_bytes"] >= CHUNK
    assert upload["state"] == "receiving"

    page.reload()
    page.evaluate(tus_js.script())
    sent: list[str] = []
    page.on("request", lambda one: sent.append(one.headers["upload-offset"]) if one.method == "PATCH" else None)
    page.evaluate(UPLOAD, [size, 0, url])

    assert sent[0] == str(upload["received_bytes"])
    expected = bytearray(size)
    expected[::4] = bytes((at % 251) for at in range(len(expected[::4])))
    assert kept(portal, client, url) == bytes(expected)
