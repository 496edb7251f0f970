"""Programs that attach to a console by a token, and what ends it under them."""

import pytest

from accounts.actors import actor_for
from accounts.models import ApiToken
from accounts.services import tokens
from accounts.services.tokens import Wish
from operations.models import AuditEntry
from tests.consoles.visit import Line, Visit, in_thread

pytestmark = pytest.mark.django_db(transaction=True)
LOST_SECONDS = 5.0


@pytest.fixture
def token(visit: Visit) -> "Maker":
    return Maker(visit)


class Maker:
    """Tokens of olga, who is an operator."""

    def __init__(self, visit: Visit) -> None:
        self.visit = visit

    async def __call__(self, *scopes: str) -> str:
        await in_thread(self.visit.known)("olga", "operator")
        return (await in_thread(self._make)(scopes))[1]

    def _make(self, scopes: tuple[str, ...]) -> tuple[ApiToken, str]:
        olga = self.visit.people["olga"]
        return tokens.make(actor_for(olga), olga, Wish("script", scopes))


async def test_a_token_for_consoles_attaches_without_an_origin_and_types(line: Line, visit: Visit, token: Maker):
    line.write(b"login: ")
    page = await visit("", token=await token("console"))
    hello = await page.until_said("hello")
    assert hello["may_type"]
    await page.until(lambda: bytes(page.data) == b"login: ")


@pytest.mark.usefixtures("eager")
async def test_a_revoked_token_closes_its_open_console(line: Line, visit: Visit, token: Maker):
    page = await visit("", token=await token("console"))
    await page.until_said("hello")
    await in_thread(lambda: tokens.revoke(actor_for(visit.people["olga"]), ApiToken.objects.get()))()
    await page.until(lambda: page.code, LOST_SECONDS)
    assert page.code == 4403


@pytest.mark.parametrize(("scopes", "words"), [(("power",), "This token is for power"), ((), "There is no such token")])
async def test_a_token_for_something_else_and_a_wrong_one_see_nothing(
    line: Line, visit: Visit, token: Maker, scopes, words
):
    line.write(b"root password: hunter2")
    # (a session beside it helps nobody: who brings a token is taken at its word)
    page = await visit("vera", "viewer", token=await token(*scopes) if scopes else "np_abcdefgh_no")
    refused = await page.until_said("refused", what="attach")
    assert words in refused["message"]
    await page.until(lambda: page.code, LOST_SECONDS)
    assert page.data == b""
    entry = await in_thread(AuditEntry.objects.filter(action="console.attached", outcome="refused").get)()
    assert entry.actor == ("olga" if scopes else "")
