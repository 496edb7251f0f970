"""What a password must be. Length counts; symbols are asked of nobody.

Beside Django's own checks (12 characters, not among 20,000 common ones, not the person's name) a password is refused
that is a common word with digits around it, the name of this product, or hardly more than one character repeated.
"""

import re
from functools import cached_property
from typing import Any

from django.contrib.auth.password_validation import CommonPasswordValidator
from django.core.exceptions import ValidationError

LEAST_LENGTH = 12
GREATEST_LENGTH = 256
LEAST_DIFFERENT = 5
# What somebody would try first here.
OUR_WORDS = frozenset({"nanoportal", "nanocluster", "sipeed", "administrator", "raspberrypi"})
# Letters that people write as digits and signs.
PLAIN = str.maketrans("013457@$!", "oleastasi")


def core(password: str) -> str:
    """A password without the digits and signs around it."""
    return re.sub(r"^[\W\d_]+|[\W\d_]+$", "", password)


class GreatestLengthValidator:
    """Bounds what is hashed and kept."""

    def validate(self, password: str, user: Any = None) -> None:
        if len(password) > GREATEST_LENGTH:
            raise ValidationError(f"This password is longer than {GREATEST_LENGTH} characters.", code="too-long")

    def get_help_text(self) -> str:
        return f"At most {GREATEST_LENGTH} characters."


class VarietyValidator:
    """Refuses "aaaaaaaaaaaa" and "121212121212"."""

    def validate(self, password: str, user: Any = None) -> None:
        if len(set(password)) < LEAST_DIFFERENT:
            raise ValidationError(
                f"This password repeats itself; use at least {LEAST_DIFFERENT} different characters.", code="repeats"
            )

    def get_help_text(self) -> str:
        return f"At least {LEAST_DIFFERENT} different characters."


class DressedWordValidator:
    """Refuses a common password, or a word of this product, that only has digits and signs around or in it."""

    @cached_property
    def words(self) -> frozenset[str]:
        """The common passwords (30,000 bytes of them in memory once somebody sets a password), and ours."""
        return frozenset(CommonPasswordValidator().passwords) | OUR_WORDS

    def validate(self, password: str, user: Any = None) -> None:
        lowered = password.lower()
        plain = lowered.translate(PLAIN)
        cores = {core(lowered), plain, core(plain), core(lowered).translate(PLAIN)}
        if any(len(word) >= 4 and word in self.words for word in cores):
            raise ValidationError(
                "This password is a common word with digits or signs around it; three or four words of your own "
                "are stronger and easier to keep.",
                code="common-word",
            )

    def get_help_text(self) -> str:
        return "Not a common word with digits or signs around it."
