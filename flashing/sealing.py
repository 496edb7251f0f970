"""Secrets of first-boot profiles at rest, sealed under purposes of this app's own (`operations.sealing`)."""

from operations import sealing
from operations.sealing import SealBroken

__all__ = ["SealBroken", "seal", "unseal"]


def seal(text: str, purpose: str) -> str:
    """The text as nobody can read it; "" stays "", so that having no secret is visible."""
    return sealing.seal(text, f"flashing {purpose}")


def unseal(sealed: str, purpose: str) -> str:
    """What was sealed for that purpose. Raises SealBroken."""
    return sealing.unseal(sealed, f"flashing {purpose}")
