"""How facts look, and what no template may contain."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings
from django.template import Context, Template
from django.utils import timezone

from nanoportal import presentation

TEMPLATES = sorted((settings.BASE_DIR / "templates").rglob("*.html"))
SPRITE = (settings.BASE_DIR / "static" / "icons.svg").read_text()
ICONS = set(re.findall(r'id="i-([\w-]+)"', SPRITE))


def rendered(source: str, **context) -> str:
    return Template(source).render(Context(context))


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-5, "0 s"), (0.9, "0 s"), (59, "59 s"), (60, "1 min"), (3599, "59 min"), (3600, "1 h"), (200000, "2 d")],
)
def test_ages_are_said_as_people_say_them(seconds, words):
    assert presentation.span(seconds) == words


def test_an_age_turns_to_warning_after_three_missed_readings():
    now = timezone.now()
    assert 'class="old"' not in rendered("{{ when|age:5 }}", when=now - timedelta(seconds=14))
    assert 'class="old"' in rendered("{{ when|age:5 }}", when=now - timedelta(seconds=16))
    assert 'class="old"' not in rendered("{{ when|age }}", when=now - timedelta(days=16))


def test_a_time_has_its_date_when_it_is_not_today():
    assert re.search(r">\d\d:\d\d:\d\d<", rendered("{{ when|clock }}", when=timezone.now()))
    assert ">3 Feb 14:02:01<" in rendered("{{ when|clock }}", when=datetime(2025, 2, 3, 14, 2, 1, tzinfo=UTC))


def test_what_never_happened_has_no_time():
    assert rendered("{{ when|age }}{{ when|clock }}{{ when|clock_ms }}", when=None) == ""


@pytest.mark.parametrize(("value", "words"), [(None, ""), (0, "0 W"), (3.68, "3.7 W"), (60.0, "60.0 W")])
def test_watts_carry_their_unit(value, words):
    assert presentation.watts(value) == words


@pytest.mark.parametrize(
    ("mbps", "words"), [(None, "not read"), (0, "no link"), (100, "100 Mb/s"), (1000, "1 Gb/s"), (2500, "2.5 Gb/s")]
)
def test_a_link_says_its_speed(mbps, words):
    assert presentation.rate(mbps) == words


def test_a_state_nobody_knows_looks_unknown():
    assert [presentation.look(word) for word in ("PoweringOff", "latched", "gibberish")] == [
        "down",
        "latched",
        "unknown",
    ]


def test_words_of_users_cannot_become_markup():
    assert "<script>" not in rendered("{% badge 'on' word %}{% outcome word %}", word="<script>alert(1)</script>")


def test_every_state_and_outcome_has_an_icon_that_exists():
    used = set(presentation.LOOKS.values()) | {icon for _, icon, _ in presentation.OUTCOMES.values()}
    assert used <= ICONS
    assert {state for state, _, _ in presentation.OUTCOMES.values()} <= set(presentation.LOOKS)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_a_template_uses_only_icons_that_exist(path):
    text = path.read_text()
    named = set(re.findall(r'{% icon "([\w-]+)"', text)) | set(re.findall(r'\bicon="([\w-]+)"', text))
    assert named <= ICONS


@pytest.mark.parametrize("path", sorted((settings.BASE_DIR / "static").rglob("*.css")), ids=lambda path: path.name)
def test_a_stylesheet_loads_nothing(path):
    assert not re.search(r"@import|url\(", path.read_text())
