"""The second step of signing in: codes of an authenticator app (RFC 6238), and recovery codes for when it is lost."""

import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

import pyotp
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from accounts import access
from accounts.models import CodeApp, RecoveryCode, User
from operations import audit
from operations.refusals import BadRequest, Conflict
from operations.roles import Actor
from operations.sealing import SealBroken, fingerprint, seal, unseal

PURPOSE = "second factor"
STEP_SECONDS = 30
# A code is good in its own 30 s and in those before and after: clocks differ, and typing takes time.
STEPS_AROUND = 1
# While the app is being set up, a code from a clock up to this wrong is recognised and the clock named.
STEPS_RECOGNISED = 2 * 60 * 24
# Somebody who once sat at an open session must not know the secret that is confirmed there another day.
SHOWN_FOR = timedelta(hours=1)
RECOVERY_CODES = 10
# Without letters and digits that are taken for one another; 16 of 32 are 80 bits, which nobody guesses.
ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
RECOVERY_LENGTH = 16


@dataclass(frozen=True)
class Enrolment:
    """What an authenticator app needs: the secret as text to type, and as the address in a QR code."""

    secret: str
    uri: str


def is_on(person: User) -> bool:
    """Whether the password alone is not enough for this person. One query."""
    return CodeApp.objects.filter(user=person, confirmed_at__isnull=False).exists()


def codes_left(person: User) -> int:
    """How many recovery codes are unused."""
    return RecoveryCode.objects.filter(user=person, used_at=None).count()


# ---- Setting it up -----------------------------------------------------------------------------------------------


def begin(person: User, issuer: str) -> Enrolment:
    """The secret for a new app: the same for an hour, so that a reloaded page shows no other. `issuer` is what the app
    calls this portal. Raises Conflict if codes are on already."""
    now = timezone.now()
    with transaction.atomic():
        row = CodeApp.objects.filter(user=person).first()
        if row is not None and row.confirmed_at:
            raise Conflict("Codes are on already; turn them off first to change to another app.", code="codes-are-on")
        secret = _secret_of(row) if row and abs(now - row.created_at) < SHOWN_FOR else None
        if secret is None:
            secret = pyotp.random_base32()
            kept = {"sealed": seal(secret, PURPOSE), "created_at": now, "last_step": 0}
            CodeApp.objects.update_or_create(user=person, defaults=kept)
    return Enrolment(secret, pyotp.TOTP(secret).provisioning_uri(name=person.username, issuer_name=issuer))


def confirm(actor: Actor, person: User, code: str, now: datetime | None = None) -> list[str]:
    """Turn codes on, shown that the app makes them; returns the recovery codes, which nobody will show again.

    Raises BadRequest for a wrong code (saying so if only a clock is wrong), Conflict if there is nothing to confirm.
    """
    now = now or timezone.now()
    with transaction.atomic():
        row = CodeApp.objects.filter(user=person, confirmed_at=None).first()
        secret = _secret_of(row) if row else None
        if row is None or secret is None:
            raise Conflict("There is no app to confirm; begin again.", code="nothing-to-confirm")
        step = _step_of(secret, code, now)
        if step is None:
            raise BadRequest(_why_not(secret, code, now), code="wrong-code")
        changed = CodeApp.objects.filter(pk=row.pk, confirmed_at=None).update(confirmed_at=now, last_step=step)
        if not changed:
            raise Conflict("Codes are on already; turn them off first to change to another app.", code="codes-are-on")
        codes = _make_recovery_codes(person)
        access.bump()
        audit.record("second-factor.on", actor=actor, target=f"person:{person.username}")
    return codes


def new_recovery_codes(actor: Actor, person: User) -> list[str]:
    """Recovery codes in place of all earlier ones, shown once. Raises Conflict if codes are off."""
    if not is_on(person):
        raise Conflict("Recovery codes belong to codes; turn those on first.", code="codes-are-off")
    with transaction.atomic():
        codes = _make_recovery_codes(person)
        audit.record("second-factor.recovery-codes", actor=actor, target=f"person:{person.username}")
    return codes


def turn_off(actor: Actor, person: User) -> None:
    """The password alone is enough again; recovery codes go too. Nothing happens if codes were off."""
    with transaction.atomic():
        was_on = is_on(person)
        CodeApp.objects.filter(user=person).delete()
        RecoveryCode.objects.filter(user=person).delete()
        if was_on:
            access.bump()
            audit.record("second-factor.off", actor=actor, target=f"person:{person.username}")


# ---- Signing in with it ------------------------------------------------------------------------------------------


def accept_code(person: User, code: str, now: datetime | None = None) -> bool:
    """Whether this is a code of the person's app now. No code is accepted twice: of two at once, one is."""
    row = CodeApp.objects.filter(user=person, confirmed_at__isnull=False).first()
    secret = _secret_of(row) if row else None
    if row is None or secret is None:
        return False
    step = _step_of(secret, code, now or timezone.now())
    if step is None:
        return False
    # A step far ahead was used while the portal's clock was wrong; it must not refuse all codes until then.
    unused = Q(last_step__lt=step) | Q(last_step__gt=step + STEPS_RECOGNISED)
    return CodeApp.objects.filter(unused, pk=row.pk).update(last_step=step) == 1


def accept_recovery_code(person: User, text: str) -> bool:
    """Whether this is an unused recovery code of the person; it is used now. Case, spaces and hyphens do not matter."""
    unused = RecoveryCode.objects.filter(user=person, used_at=None, fingerprint=_fingerprint(person, text))
    return is_on(person) and unused.update(used_at=timezone.now()) == 1


def looks_like_recovery_code(text: str) -> bool:
    """Whether it is too long for a code of the app."""
    return len(_plain(text)) > 8


def wrong_code_sentence(now: datetime | None = None) -> str:
    """What to say of a wrong code: the portal's time, since a wrong clock is the usual reason."""
    clock = (now or timezone.now()).strftime("%H:%M:%S")
    return (
        f"This code is not right now: the portal's clock says {clock} UTC. Wait for the next code, see that the "
        "device's clock says the same, or use a recovery code."
    )


# ---- Inside ------------------------------------------------------------------------------------------------------


def _secret_of(row: CodeApp) -> str | None:
    """The secret; None if it was sealed with another key, for instance in a restored database."""
    try:
        return unseal(row.sealed, PURPOSE) or None
    except SealBroken:
        return None


def _step_of(secret: str, code: str, now: datetime, around: int = STEPS_AROUND) -> int | None:
    """The 30 s that this code belongs to, nearest first; None if it belongs to none of those around `now`."""
    plain = _plain(code)
    if not (plain.isascii() and plain.isdigit() and len(plain) == 6):
        return None
    totp = pyotp.TOTP(secret)
    present = totp.timecode(now)
    for away in sorted(range(-around, around + 1), key=abs):
        if present + away >= 0 and hmac.compare_digest(totp.generate_otp(present + away), plain):
            return present + away
    return None


def _why_not(secret: str, code: str, now: datetime) -> str:
    """Only to who holds the secret anyway: while setting up."""
    clock = now.strftime("%H:%M:%S")
    step = _step_of(secret, code, now, STEPS_RECOGNISED)
    if step is None:
        return "This is not the code that the app shows for this secret; scan the picture again or wait for the next."
    away = timedelta(seconds=(step - int(now.timestamp()) // STEP_SECONDS) * STEP_SECONDS)
    minutes = max(1, round(abs(away.total_seconds()) / 60))
    side = "ahead of" if away > timedelta(0) else "behind"
    return (
        f"The app is right, but its clock is {minutes} min {side} the portal's, which says {clock} UTC: set the one "
        "that is wrong, then type the next code."
    )


def _make_recovery_codes(person: User) -> list[str]:
    RecoveryCode.objects.filter(user=person).delete()
    plain = ["".join(secrets.choice(ALPHABET) for _ in range(RECOVERY_LENGTH)) for _ in range(RECOVERY_CODES)]
    RecoveryCode.objects.bulk_create(
        RecoveryCode(user=person, fingerprint=_fingerprint(person, code)) for code in plain
    )
    return ["-".join(code[at : at + 4] for at in range(0, RECOVERY_LENGTH, 4)) for code in plain]


def _fingerprint(person: User, text: str) -> str:
    return fingerprint(f"{person.pk}:{_plain(text)}", "recovery code")


def _plain(text: str) -> str:
    return "".join(text[:64].lower().replace("-", " ").split())
