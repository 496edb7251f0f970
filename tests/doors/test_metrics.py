"""The figures: for a token made for them, or from the machine itself; in words that Prometheus reads."""

import re

import pytest
from django.test import Client
from django.utils import timezone

from accounts.actors import actor_for
from accounts.models import User
from accounts.services import tokens
from accounts.services.tokens import Wish
from nanoportal import metrics
from operations import audit
from operations.models import AuditEntry, Operation
from operations.roles import Actor
from slots.models import Board, Slot
from switch.models import PortReading

pytestmark = pytest.mark.django_db
ELSEWHERE = {"REMOTE_ADDR": "10.0.0.9"}
LINE = re.compile(r'[a-z_]+(?:\{[a-z]+="(?:[^"\\\n]|\\["\\n])*"(?:,[a-z]+="(?:[^"\\\n]|\\["\\n])*")*\})? -?[0-9.e+-]+')


def text(**more: object) -> str:
    answer = Client().get("/metrics", **more)
    assert answer.status_code == 200, answer.content
    assert answer["Content-Type"].startswith("text/plain; version=0.0.4")
    return answer.content.decode()


def token_for(*scopes: str) -> dict[str, object]:
    owner, _ = User.objects.get_or_create(username="runner", defaults={"role": "viewer"})
    _, secret = tokens.make(actor_for(owner, credential="session"), owner, Wish(scopes[0], scopes))
    return {"headers": {"Authorization": f"Bearer {secret}"}}


def test_elsewhere_only_a_token_with_the_scope_opens_it_and_every_refusal_is_on_record() -> None:
    assert text(**token_for("metrics"), **ELSEWHERE)
    for more in ({}, token_for("read", "power", "people"), {"headers": {"Authorization": "Bearer np_x"}}):
        assert Client().get("/metrics", **more, **ELSEWHERE).status_code in (401, 403)
    assert AuditEntry.objects.filter(action="metrics.view", outcome="refused").exists()
    browser = Client()
    browser.force_login(User.objects.create_user("alice", role="administrator"))
    assert browser.get("/metrics", **ELSEWHERE).status_code == 403, "a page has no use for it"


def test_the_machine_itself_needs_none_and_a_proxy_on_it_that_nobody_named_is_not_the_machine(rf) -> None:
    assert text()
    request = rf.get("/metrics")
    request.scope = {"hearsay": True}
    assert metrics.metrics(request).status_code == 403


def test_the_figures_are_those_of_the_database(settings) -> None:
    board = Board.objects.create(slug="demo", name="demo")
    Slot.objects.create(board=board, number=3, power_state="On", uart=True)
    Operation.objects.create(kind="power.reset", title="x", board="demo", state="failed", created_at=timezone.now())
    audit.record("image.retire", actor=Actor("alice"), target="portal", outcome="done")
    lines = text().splitlines()
    assert 'nanoportal_slot_power_state{board="demo",slot="3",state="On",basis="observed"} 1' in lines
    assert 'nanoportal_slot_power_state{board="demo",slot="3",state="Off",basis="observed"} 0' in lines
    assert 'nanoportal_operations{state="failed"} 1' in lines
    assert 'nanoportal_component_up{component="database"} 1' in lines
    assert 'nanoportal_component_up{component="hardware-worker"} 0' in lines
    assert 'nanoportal_console_open{board="demo",slot="3"} 0' in lines
    assert "nanoportal_audit_entries 1" in lines
    assert all(LINE.fullmatch(line) for line in lines if not line.startswith("#")), lines
    assert not PortReading.objects.exists()
    assert "alice" not in text(), "no figure names a person"


def test_a_label_cannot_break_out_of_its_quotes() -> None:
    figure = metrics.Figure("nanoportal_x", "X.")
    figure.add(1, board='a"} 1\nnanoportal_y{b="\\')
    (line,) = [line for line in figure.lines() if not line.startswith("#")]
    assert line == 'nanoportal_x{board="a\\"} 1\\nnanoportal_y{b=\\"\\\\"} 1'
