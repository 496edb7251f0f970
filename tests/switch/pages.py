"""What tests of the switch's pages share."""

import html

from django.http import HttpResponse

from tests.slots.pages import text_of
from tests.switch import rig

PAGE = f"/boards/{rig.SLUG}/switch/"


def text(answer: HttpResponse) -> str:
    """What a reader sees of an answer, in one line."""
    return html.unescape(text_of(answer.content.decode()))
