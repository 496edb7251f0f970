"""How facts look on a page: icons, states, ages, clock times, watts. Built into every template.

The frame of a page (`templates/base.html`) draws `nav`, which `nanoportal.context` provides; to somebody who is not
signed in it has only the board's name and whether it is simulated.
"""

import re
from datetime import datetime, timedelta
from typing import Any

from django import template
from django.template import defaultfilters
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from images.services import space

register = template.Library()

# What a stylesheet's `data-state` may be -> its icon
LOOKS = {
    "on": "on",
    "off": "off",
    "up": "up",
    "down": "down",
    "unknown": "unknown",
    "latched": "latched",
    "contents": "contents",
    "empty": "empty",
    "run": "clock",
    "warn": "warn",
    "fail": "fail",
}
# Words of the floors below -> (data-state, icon, word on the page)
OUTCOMES = {
    "requested": ("run", "clock", "Requested"),
    "waiting": ("off", "clock", "Waiting its turn"),
    "queued": ("run", "clock", "Queued"),
    "running": ("run", "clock", "Running"),
    "done": ("on", "check", "Done"),
    "succeeded": ("on", "check", "Done"),
    "noted": ("warn", "info", "Noted"),
    "noticed": ("warn", "info", "Noticed"),
    "refused": ("fail", "shield", "Refused"),
    "failed": ("fail", "fail", "Failed"),
    "expired": ("warn", "clock", "Expired"),
    "interrupted": ("unknown", "unknown", "Interrupted"),
    "cancelled": ("off", "close", "Cancelled"),
}
POWER_STATES = {"On": "on", "Off": "off", "PoweringOn": "up", "PoweringOff": "down", "Unknown": "unknown"}


# ---- Icons and states --------------------------------------------------------------------------------------------


@register.simple_tag
def icon(name: str, classes: str = "") -> SafeString:
    """An icon of `static/icons.svg`, hidden from screen readers: the word beside it speaks."""
    return _svg(name, f"i {classes}".strip())


def _svg(name: str, classes: str, state: str = "") -> SafeString:
    coloured = format_html(' data-state="{}"', state) if state else ""
    sprite = static("icons.svg")
    return format_html(
        '<svg class="{}"{} aria-hidden="true"><use href="{}#i-{}"/></svg>', classes, coloured, sprite, name
    )


@register.filter
def look(state: Any) -> str:
    """The `data-state` of a power state; a look is its own look."""
    word = str(state)
    return POWER_STATES.get(word, word if word in LOOKS else "unknown")


@register.simple_tag
def state_icon(state: Any) -> SafeString:
    """The coloured icon of a state, for places where its word is beside it."""
    return _svg(LOOKS[look(state)], "i st", look(state))


@register.simple_tag
def badge(state: Any, word: str) -> SafeString:
    """Icon, word and colour of a state, in that order of trust."""
    return format_html('<span class="badge" data-state="{}">{}{}</span>', look(state), icon(LOOKS[look(state)]), word)


@register.simple_tag
def outcome(word: str) -> SafeString:
    """The badge of an operation's state or an audit entry's outcome."""
    state, name, shown = OUTCOMES.get(str(word), ("unknown", "unknown", str(word).capitalize()))
    return format_html('<span class="badge" data-state="{}">{}{}</span>', state, icon(name), shown)


# ---- Time --------------------------------------------------------------------------------------------------------


@register.filter
def span(seconds: float | timedelta | None) -> str:
    """A length of time as people say it: `9 s`, `4 min`, `3 h`, `2 d`."""
    if seconds is None:
        return ""
    whole = max(0, int(seconds.total_seconds() if isinstance(seconds, timedelta) else seconds))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if whole >= size:
            return f"{whole // size} {unit}"
    return f"{whole} s"


@register.filter
def age(when: datetime | None, every_seconds: float = 0) -> str:
    """How long ago, counting in the page. With an interval, three missed readings turn it to the colour of warning."""
    if when is None:
        return ""
    now = timezone.now()
    old = bool(every_seconds) and now - when > timedelta(seconds=3 * float(every_seconds))
    return format_html(
        '<time datetime="{}" data-age{}{} title="{}">{}</time>',
        when.isoformat(),
        format_html(' data-every="{}"', every_seconds) if every_seconds else "",
        SafeString(' class="old"') if old else "",
        full(when),
        span(now - when),
    )


@register.filter
def clock(when: datetime | None) -> str:
    """The time of day, with the date when it is not today. The page turns it into the reader's own zone."""
    return _stamp(when, "%H:%M:%S", "clock")


@register.filter
def clock_ms(when: datetime | None) -> str:
    """The time of day with milliseconds, for live logs."""
    return _stamp(when, "%H:%M:%S.%f", "clock-ms")


def _stamp(when: datetime | None, form: str, kind: str) -> str:
    if when is None:
        return ""
    here = timezone.localtime(when)
    text = here.strftime(form)[:12]
    if kind == "clock" and here.date() != timezone.localdate():
        text = f"{here.day} {here:%b} {text}"
    return format_html('<time datetime="{}" data-{} title="{}">{}</time>', when.isoformat(), kind, full(when), text)


def full(when: datetime) -> str:
    return f"{timezone.localtime(when):%Y-%m-%d %H:%M:%S %Z}"


@register.simple_tag
def server_time() -> int:
    """Now, in milliseconds since 1970: what the page counts ages from, since browsers' clocks differ."""
    return int(timezone.now().timestamp() * 1000)


# ---- Quantities --------------------------------------------------------------------------------------------------


@register.filter
def watts(value: float | None) -> str:
    """`3.7 W`; `0 W` for nothing."""
    return "" if value is None else f"{defaultfilters.floatformat(value, 1) if value else 0} W"


@register.filter
def rate(mbps: int | None) -> str:
    """A link's speed: `1 Gb/s`, `100 Mb/s`, `no link`, `not read`."""
    if mbps is None:
        return "not read"
    if not mbps:
        return "no link"
    return f"{mbps / 1000:g} Gb/s" if mbps >= 1000 else f"{mbps} Mb/s"


@register.filter
def size(value: int | None) -> str:
    """Bytes as storage is sold: `439 MB`, `2.84 GB`. The same words as `size` in static/js/uploads.js."""
    return "" if value is None else space.words(value)


@register.filter
def percent_of(value: float, whole: float) -> str:
    """`value` as a percentage of `whole`, for SVG attributes, where a comma would be wrong."""
    return f"{100 * value / whole:.2f}%" if whole else "0%"


@register.filter
def marked(line: str, text: str) -> SafeString:
    """`line` with each `text` in it marked, upper and lower case alike."""
    parts = re.split(f"({re.escape(text)})", line, flags=re.IGNORECASE) if text else [line]
    pieces = (("<mark>{}</mark>" if place % 2 else "{}", part) for place, part in enumerate(parts))
    return SafeString("".join(format_html(form, part) for form, part in pieces))


# ---- Navigation --------------------------------------------------------------------------------------------------


@register.simple_tag(takes_context=True)
def current(context: template.Context, url: str, within: bool = False) -> SafeString:
    """` aria-current="page"` if this page is at `url`, or below it with `within`."""
    path = context["request"].path if "request" in context else ""
    here = path.startswith(url) if within else path == url
    return SafeString(' aria-current="page"') if here else SafeString("")
