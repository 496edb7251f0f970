"""System checks: broken configuration is said at the start, not at the first click."""

from typing import Any

from django.core.checks import CheckMessage, Error, register

from hardware.errors import BoardFileError
from slots.services.catalogue import board_specs


@register()
def board_files(**_: Any) -> list[CheckMessage]:
    """Every board file can be read."""
    try:
        board_specs()
    except BoardFileError as error:
        return [Error(str(error), hint="Correct the file, or take it out of the directory.", id="slots.E001")]
    return []
