"""Which SOMs an image may be for, guessed from its name and its partitions (pure). A person has the last word."""

import re
from collections.abc import Iterable, Mapping

# What names and boot partitions say about the way a SOM is flashed (the traits' `flash_path`). Labels are those of the
# vendors' images: Raspberry Pi OS calls its FAT partition bootfs, earlier boot, Ubuntu's image system-boot.
NAME_HINTS = {
    "rpiboot": re.compile(r"ras(pios|pberry|pbian|pi)|\brpi|\barm64\+raspi"),
    "ums": re.compile(r"lpi3h|longan|\blm3h|h618|sunxi|orangepi"),
    "axdl": re.compile(r"\.axp\b|ax650|maix|m4n"),
}
LABEL_HINTS = {"rpiboot": {"bootfs", "raspifirm"}}


def guess(file_name: str, labels: Iterable[str], types: Mapping[str, str]) -> set[str]:
    """Names of the SOM types that the image may be for; empty when nothing speaks for any.

    `types` maps each type's name to its flash path. A type's own name in the file's name is the strongest word, then
    other names, then the labels of the partitions.
    """
    words = re.sub(r"[_\s]", "-", file_name.lower())
    named = {name for name in types if re.search(rf"(?<![a-z0-9]){re.escape(name.lower())}(?![0-9a-z])", words)}
    if named:
        return named
    paths = {path for path, pattern in NAME_HINTS.items() if pattern.search(words)}
    if not paths:
        seen = {label.lower() for label in labels}
        paths = {path for path, known in LABEL_HINTS.items() if known & seen}
    return {name for name, path in types.items() if path in paths}
