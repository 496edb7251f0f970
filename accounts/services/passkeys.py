"""Passkeys (WebAuthn): signing in with a key that never leaves somebody's device, unlocked by its PIN or finger.

A passkey belongs to one host name of the portal, and browsers offer them only where nobody can listen or pretend: on
https under a name, and on http://localhost. `webauthn` does the cryptography; it is imported where it is used, since
the workers need none of its 16 MiB.
"""

import ipaddress
import json
import secrets
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction
from django.http import HttpRequest
from django.utils import timezone

from accounts.models import Kind, Passkey, User
from operations import audit
from operations.refusals import BadRequest, Conflict, NotFound, NotPermitted
from operations.roles import Actor

MOST_PER_PERSON = 20
NAME_LENGTH = 60
CHALLENGE = "passkey_challenge"
CHALLENGE_SECONDS = 300
TRANSPORTS = frozenset({"ble", "cable", "hybrid", "internal", "nfc", "smart-card", "usb"})


@dataclass(frozen=True)
class Site:
    """Where the browser believes it is: the relying party's id and the origin."""

    id: str
    origin: str


class NotHere(NotPermitted):
    """Browsers make and use no passkeys at this address."""

    code = "passkeys-not-here"


def why_not_here(request: HttpRequest) -> str:
    """Why no passkey can be made or used at this address, in one sentence; empty where they can."""
    host = host_of(request)
    if host == "localhost":
        return ""
    if _is_address(host):
        return (
            f"Passkeys work only under a name, not at the address {host}: open the portal by its name over https, "
            "or as localhost on the controller itself."
        )
    if not request.is_secure():
        return f"Passkeys work only over https: this page came from {host} without it."
    return ""


def site_of(request: HttpRequest) -> Site:
    """Raises NotHere, with the sentence of `why_not_here`."""
    why = why_not_here(request)
    if why:
        raise NotHere(why)
    return Site(host_of(request), f"{request.scheme}://{request.get_host()}")


def host_of(request: HttpRequest) -> str:
    """The host of the request, which Django has checked against the allowed ones, without its port."""
    host = request.get_host()
    return host if host.endswith("]") else host.rpartition(":")[0] or host


# ---- Making one --------------------------------------------------------------------------------------------------


def creation_options(request: HttpRequest, person: User) -> dict[str, Any]:
    """What `navigator.credentials.create` takes. Keeps a challenge in the session. Raises NotHere, or Conflict for
    somebody who has 20 already."""
    import webauthn
    from webauthn.helpers import structs

    site = site_of(request)
    own = list(Passkey.objects.filter(user=person))
    if len(own) >= MOST_PER_PERSON:
        raise Conflict(f"{MOST_PER_PERSON} passkeys are enough; remove one first.", code="too-many-passkeys")
    options = webauthn.generate_registration_options(
        rp_id=site.id,
        rp_name="NanoPortal",
        user_name=person.username,
        user_id=bytes(own[0].user_handle) if own else secrets.token_bytes(32),
        challenge=_new_challenge(request, "create"),
        authenticator_selection=structs.AuthenticatorSelectionCriteria(
            resident_key=structs.ResidentKeyRequirement.REQUIRED,
            user_verification=structs.UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=[
            structs.PublicKeyCredentialDescriptor(id=bytes(key.credential_id)) for key in own if key.site == site.id
        ],
    )
    request.session[CHALLENGE]["handle"] = options.user.id.hex()
    return _as_dict(options)


def create(request: HttpRequest, actor: Actor, person: User, name: str, credential: Any) -> Passkey:
    """Keep the public key of what the browser made. Raises NotHere, BadRequest (no name; not what was asked for; too
    late), Conflict (known already)."""
    import webauthn
    from webauthn.helpers.exceptions import WebAuthnException

    site, name = site_of(request), " ".join(name.split())[:NAME_LENGTH]
    if not name or not name.isprintable():
        raise BadRequest("Give the passkey a name, for instance of the device it is on.", code="no-name")
    challenge, handle = _take_challenge(request, "create")
    try:
        made = webauthn.verify_registration_response(
            credential=_checked(credential),
            expected_challenge=challenge,
            expected_rp_id=site.id,
            expected_origin=site.origin,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError, KeyError, TypeError) as error:
        raise BadRequest(
            f"The browser's answer is not a passkey for this page: {error}.", code="bad-passkey"
        ) from error
    try:
        with transaction.atomic():
            row = Passkey.objects.create(
                user=person,
                name=name,
                site=site.id,
                credential_id=made.credential_id,
                public_key=made.credential_public_key,
                sign_count=made.sign_count,
                user_handle=bytes.fromhex(handle),
                transports=_transports(credential),
                created_at=timezone.now(),
            )
            detail = {"name": name, "site": site.id}
            audit.record("passkey.add", actor=actor, target=f"person:{person.username}", detail=detail)
    except IntegrityError as error:
        raise Conflict("This passkey is known here already.", code="passkey-known") from error
    return row


def remove(actor: Actor, person: User, pk: int) -> None:
    """Forget one of somebody's passkeys. Raises NotFound."""
    with transaction.atomic():
        row = Passkey.objects.filter(user=person, pk=pk).first()
        if row is None:
            raise NotFound("There is no such passkey; it may be removed already.", code="no-such-passkey")
        row.delete()
        detail = {"name": row.name, "site": row.site}
        audit.record("passkey.remove", actor=actor, target=f"person:{person.username}", detail=detail)


# ---- Using one ---------------------------------------------------------------------------------------------------


def use_options(request: HttpRequest, person: User | None = None) -> dict[str, Any]:
    """What `navigator.credentials.get` takes: any passkey of this site, or only those of `person`. Keeps a challenge
    in the session. Raises NotHere."""
    import webauthn
    from webauthn.helpers import structs

    site = site_of(request)
    own = Passkey.objects.filter(user=person, site=site.id) if person else Passkey.objects.none()
    options = webauthn.generate_authentication_options(
        rp_id=site.id,
        challenge=_new_challenge(request, "get"),
        user_verification=structs.UserVerificationRequirement.REQUIRED,
        allow_credentials=[structs.PublicKeyCredentialDescriptor(id=bytes(key.credential_id)) for key in own],
    )
    return _as_dict(options)


def whose(request: HttpRequest, credential: Any) -> User:
    """The person whose passkey answered the challenge of this session. The device has checked its owner (PIN, finger),
    so that this is two factors at once.

    Raises NotHere; NotPermitted for a passkey that nobody has, of somebody switched off, or with a wrong answer, in
    the same words; BadRequest when the challenge is over.
    """
    import webauthn
    from webauthn.helpers.exceptions import WebAuthnException

    site = site_of(request)
    challenge, _ = _take_challenge(request, "get")
    refused = NotPermitted("This passkey does not sign in here; use your name and password.", code="unknown-passkey")
    try:
        checked = _checked(credential)
        row = Passkey.objects.select_related("user").get(
            credential_id=webauthn.base64url_to_bytes(str(checked["id"])),
            site=site.id,
            user__is_active=True,
            user__kind=Kind.PERSON,
        )
        used = webauthn.verify_authentication_response(
            credential=checked,
            expected_challenge=challenge,
            expected_rp_id=site.id,
            expected_origin=site.origin,
            credential_public_key=bytes(row.public_key),
            credential_current_sign_count=row.sign_count,
            require_user_verification=True,
        )
    except (Passkey.DoesNotExist, WebAuthnException, ValueError, KeyError, TypeError) as error:
        raise refused from error
    unused = Passkey.objects.filter(pk=row.pk, sign_count=row.sign_count)
    if not unused.update(sign_count=used.new_sign_count, last_used_at=timezone.now()):
        raise refused  # removed, or used by another request, at this very moment
    return row.user


# ---- Inside ------------------------------------------------------------------------------------------------------


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def _new_challenge(request: HttpRequest, purpose: str) -> bytes:
    challenge = secrets.token_bytes(32)
    at = timezone.now().timestamp()
    request.session[CHALLENGE] = {"challenge": challenge.hex(), "purpose": purpose, "at": at, "handle": ""}
    return challenge


def _take_challenge(request: HttpRequest, purpose: str) -> tuple[bytes, str]:
    """The challenge that this session was given, once, and the user handle that went with it."""
    kept = request.session.pop(CHALLENGE, None)
    now = timezone.now().timestamp()
    if kept is None or kept["purpose"] != purpose or not 0 <= now - kept["at"] < CHALLENGE_SECONDS:
        raise BadRequest("This took too long, or was answered already; begin again.", code="challenge-over")
    return bytes.fromhex(kept["challenge"]), kept["handle"]


def _checked(credential: Any) -> dict[str, Any]:
    if not isinstance(credential, dict):
        raise ValueError("it is no object")
    return credential


def _transports(credential: Any) -> list[str]:
    """How the device is reached, as the browser says: a hint for later, so nothing is made of what is not known."""
    said = credential.get("response", {}).get("transports") if isinstance(credential, dict) else None
    return (
        sorted(TRANSPORTS.intersection(word for word in said if isinstance(word, str)))
        if isinstance(said, list)
        else []
    )


def _as_dict(options: Any) -> dict[str, Any]:
    import webauthn

    return dict(json.loads(webauthn.options_to_json(options)))
