"""Many at the same moment: room is promised once, and a chunk counts once."""

import pytest

from images.models import Upload
from images.services import uploads
from images.services.uploads import Wish
from operations.refusals import Conflict, NoRoom, Refused
from operations.roles import Actor
from tests.images.rig import MIB
from tests.operations.rig import MANY, together

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_last_room_is_promised_once(settings):
    settings.IMAGE_QUOTA_BYTES = 10 * MIB
    people = [Actor(name=f"p{number}", role="flasher") for number in range(MANY)]
    results = together(lambda number: uploads.begin(Wish("pi.img", 4 * MIB), people[number]))
    assert sum(isinstance(result, Upload) for result in results) == Upload.objects.count() == 2
    assert sum(isinstance(result, NoRoom) for result in results) == MANY - 2


def test_nobody_gets_more_tickets_by_asking_at_once(flasher):
    results = together(lambda number: uploads.begin(Wish("pi.img", MIB), flasher))
    assert Upload.objects.count() == uploads.MOST_OPEN_EACH
    assert sum(isinstance(result, Conflict) for result in results) == MANY - uploads.MOST_OPEN_EACH


def test_the_same_chunk_sent_at_once_counts_once(flasher):
    upload = uploads.begin(Wish("pi.img", 2 * MIB), flasher)

    def send(number: int) -> int:
        pieces = [bytes([number]) * MIB]
        return uploads.append(Upload.objects.get(), 0, MIB, lambda _size: pieces.pop() if pieces else b"")

    results = together(send)
    assert results.count(MIB) == 1
    assert all(isinstance(result, Refused) for result in results if result != MIB)
    upload.refresh_from_db()
    assert upload.received_bytes == MIB
    winner = results.index(MIB)
    assert uploads.store.incoming(upload.pk).read_bytes()[:MIB] == bytes([winner]) * MIB
