"""`images`: the library, uploads that survive a broken connection, and getting rid of an image."""

import re
from pathlib import Path
from typing import Any

import click

from nanoportal_client import uploading
from nanoportal_client.drawing import bar
from nanoportal_client.invocation import Invocation, with_options
from nanoportal_client.problems import Exit, Problem
from nanoportal_client.waiting import Patience
from nanoportal_client.words import moment, size, table

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@click.group(epilog="Example: nanoportal images upload lab.img.xz")
def images() -> None:
    """Bring images into the library, and get rid of them."""


@images.command(name="list", epilog="Example: nanoportal images list lab --som-type CM5")
@click.argument("words", default="")
@click.option("--som-type", default=None, help="Only those for this SOM type.")
@click.option("--state", type=click.Choice(["usable", "retired"]), default=None)
@with_options
def list_images(invocation: Invocation, words: str, som_type: str | None, state: str | None) -> None:
    """List the images, the newest first.

    With WORDS only those that have them in their name, or at the beginning of their hash.
    """
    rows = invocation.portal.rows("/images", "images", q=words or None, som_type=som_type, state=state)
    heads = ("ID", "NAME", "FOR", "SIZE", "STORED", "ADDED", "BY", "NOTE")
    cells = [
        (
            *(row["id"][:8], row["name"], ", ".join(row["som_types"]) or "?", size(row["size_bytes"])),
            *(size(row["stored_bytes"]), moment(row["added_at"]), row["added_by"]),
            "retired" if row["retired_at"] else row["problem"],
        )
        for row in rows
    ]
    invocation.show(rows, table(heads, cells, "There is no such image."))


@images.command(epilog="Example: nanoportal images upload lab.img.xz")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--sha256", default="", metavar="HASH", help="What its hash has to be, as its maker says it.")
@click.option("--bmap", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Its block map.")
@with_options
def upload(invocation: Invocation, file: Path, sha256: str, bmap: Path | None) -> None:
    """Bring FILE into the library.

    If it breaks off, the same command goes on where it was.
    """
    with bar(invocation, "Hashing", file.stat().st_size) as advance:
        measured = uploading.measure(file, advance)
    if sha256 and sha256.strip().lower() != measured.sha256:
        raise Problem(Exit.REFUSED, f"{file} hashes to {measured.sha256}; it is another file, or a damaged one.")
    portal = invocation.portal
    found = uploading.unfinished(portal, measured)
    upload_id = found or uploading.begin(portal, measured)
    if bmap:
        uploading.give_block_map(portal, upload_id, bmap.read_bytes())
    if found:
        invocation.say(f"Going on with upload {upload_id}.")
    try:
        reached = uploading.offset_of(portal, upload_id)
        with bar(invocation, "Sending", measured.size, reached) as advance:
            uploading.send(portal, upload_id, measured, reached, advance, invocation.clock)
        image = _inspected(invocation, upload_id, measured)
    except KeyboardInterrupt:
        raise Problem(Exit.INTERRUPTED, "The same command goes on from here.") from None
    invocation.show(image, f"{image['name']} is in the library as {image['id']}.")


def _inspected(invocation: Invocation, upload_id: str, file: uploading.File) -> dict[str, Any]:
    """The image that the upload becomes, once the portal has looked at it."""
    patience, seen = Patience(invocation.clock), 0
    with bar(invocation, "Inspecting", file.size) as advance:
        while True:
            row = patience.look(lambda: uploading.standing(invocation.portal, upload_id) or {})
            if row == {}:
                advance(file.size - seen)
                break
            if row:
                advance(row["checked_bytes"] - seen)
                seen = row["checked_bytes"]
            patience.rest("The inspection")
    found: dict[str, Any] = invocation.portal.get(f"/images/{upload_id}")
    return found


@images.command(epilog="Example: nanoportal images retire lab.img.xz")
@click.argument("image")
@with_options
def retire(invocation: Invocation, image: str) -> None:
    """Offer IMAGE for flashing no more. It can be brought back."""
    _change(invocation, image, "retire", "is retired")


@images.command(name="bring-back", epilog="Example: nanoportal images bring-back lab.img.xz")
@click.argument("image")
@with_options
def bring_back(invocation: Invocation, image: str) -> None:
    """Offer a retired IMAGE again."""
    _change(invocation, image, "bring-back", "is offered again")


def _change(invocation: Invocation, image: str, act: str, words: str) -> None:
    row = invocation.portal.act("POST", f"/images/{find(invocation, image)['id']}/{act}")
    invocation.show(row, f"{row['name']} {words}.")


@images.command(epilog="Example: nanoportal images delete 1a2b3c4d --yes")
@click.argument("image")
@click.option("--yes", is_flag=True, help="Without being asked.")
@with_options
def delete(invocation: Invocation, image: str, yes: bool) -> None:
    """Delete a retired IMAGE for good."""
    row = find(invocation, image)
    if not yes:
        if not invocation.asks:
            raise Problem(Exit.USAGE, "Nobody is there to be asked; say --yes.")
        click.confirm(f"Delete {row['name']} ({row['id'][:8]}) for good?", abort=True, err=True)
    invocation.portal.act("DELETE", f"/images/{row['id']}")
    invocation.show({"deleted": row["id"]}, f"{row['name']} is deleted.")


def find(invocation: Invocation, named: str) -> dict[str, Any]:
    """The image that is meant: by its id or the beginning of one, by the beginning of its hash, by its name. Raises
    `Problem` for none, and for several."""
    if UUID.fullmatch(named):
        found: dict[str, Any] = invocation.portal.get(f"/images/{named}")
        return found
    rows = invocation.portal.rows("/images", "images")
    fits = [row for row in rows if named in (row["name"], row["file_name"])]
    if not fits and re.fullmatch("[0-9a-f]{6,64}", named):
        fits = [row for row in rows if row["id"].replace("-", "").startswith(named) or row["sha256"].startswith(named)]
    if len(fits) == 1:
        return dict(fits[0])
    if not fits:
        raise Problem(Exit.NOT_THERE, f"There is no image {named!r}; `nanoportal images list` shows them.")
    ids = ", ".join(row["id"][:8] for row in fits)
    raise Problem(Exit.USAGE, f"{len(fits)} images are called {named!r}: say which by its id, {ids}.")


COMMANDS = (images,)
