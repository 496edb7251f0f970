"""Secrets at rest: encrypted and authenticated, with keys that come from DATA/secret.key.

A copy of the database alone opens none of them. Each purpose has a key of its own, so that what was sealed as one thing
is never opened as another.
"""

import base64
import hashlib
import hmac

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings


class SealBroken(Exception):
    """Sealed with another key, as another thing, or changed since."""


def seal(text: str, purpose: str) -> str:
    """The text as nobody can read it; "" stays "", so that having no secret is visible."""
    return Fernet(base64.urlsafe_b64encode(_key(purpose))).encrypt(text.encode()).decode() if text else ""


def unseal(sealed: str, purpose: str) -> str:
    """What was sealed for that purpose. Raises SealBroken."""
    try:
        return Fernet(base64.urlsafe_b64encode(_key(purpose))).decrypt(sealed.encode()).decode() if sealed else ""
    except (InvalidToken, UnicodeError) as error:
        raise SealBroken from error


def fingerprint(text: str, purpose: str) -> str:
    """64 hex digits by which the same text is known again, and from which it cannot be guessed without the key."""
    return hmac.new(_key(purpose), text.encode(errors="surrogatepass"), hashlib.sha256).hexdigest()


def _key(purpose: str) -> bytes:
    derivation = HKDF(SHA256(), length=32, salt=None, info=f"nanoportal {purpose}".encode())
    return derivation.derive(settings.SECRET_KEY.encode())
