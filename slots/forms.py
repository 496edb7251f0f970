"""What people type about slots and boards, checked."""

import re

from django import forms

from hardware.errors import TraitsError
from operations.forms import Dressed
from slots.models import Board, Som, SomType


class SomForm(Dressed):
    """Which SOM sits in a slot."""

    class Meta:
        model = Som
        fields = (
            "som_type",
            "name",
            "serial_number",
            "memory_gb",
            "emmc_gb",
            "sd_card",
            "nvme",
            "adapter_revision",
            "latch_cured",
            "notes",
        )
        labels = {
            "som_type": "SOM type",
            "memory_gb": "Memory, GB",
            "emmc_gb": "eMMC, GB",
            "sd_card": "Boots from an SD card",
            "nvme": "NVMe drive",
            "latch_cured": "Starts again after a long hold",
        }
        help_texts = {
            "emmc_gb": "0 for a module without eMMC (a Lite).",
            "adapter_revision": "A CM4 Lite on the first adapter batch may not boot after a reset by the line.",
            "latch_cured": "Only if its boot-loader EEPROM is set so (POWER_OFF_ON_HALT=0, as one owner reported).",
        }
        widgets = {"notes": forms.Textarea(attrs={"rows": 3})}


class BoardForm(Dressed):
    """What people add to a board; its wiring stays in the board file."""

    class Meta:
        model = Board
        fields = ("name", "supply", "notes")
        labels = {"supply": "Power supply"}
        help_texts = {"supply": "Nothing on the board measures it: the budget counts with what is said here."}
        widgets = {"notes": forms.Textarea(attrs={"rows": 3})}


class SomTypeForm(Dressed):
    """A third party's SOM type; the shipped ones are read-only."""

    class Meta:
        model = SomType
        exclude = ("shipped", "verified")
        labels = {
            "line_kind": "Reset line",
            "pulse_seconds": "Reset pulse, s",
            "press_seconds": "Short press, s",
            "force_off_seconds": "Hold that forces it off, s",
            "latches_after_hold": "Stays off after such a hold until the board loses power",
            "graceful": "A short press asks a running system to shut down",
            "idle_watts": "Idle, W",
            "full_watts": "Full load, W",
            "peak_watts": "Peak, W",
            "baud": "Console speed, baud",
            "flash_path": "Way to flash it",
            "boot_rom": "USB ids of its boot ROM",
            "boot_seconds": "Usual time to boot, s",
            "shutdown_seconds": "Usual time to shut down, s",
            "link_mbps": "Link speed, Mb/s",
            "source": "Source of these figures",
        }
        help_texts = {
            "line_kind": "level: held in reset while the line is low. button: the line is its power button.",
            "pulse_seconds": "Of a level line; 0 for a button.",
            "press_seconds": "Of a button; 0 for a level line.",
            "force_off_seconds": "Leave it empty for a level line, or if no hold is known to do it.",
            "peak_watts": "What the supply's budget counts with.",
            "boot_rom": "What lsusb shows in its download mode, 0a5c:2711 for instance; empty if it has none.",
            "source": "A data sheet, a measurement, a person.",
        }

    def clean_name(self) -> str:
        """It stands in addresses, beside `new`."""
        name = str(self.cleaned_data["name"])
        if not re.fullmatch(r"\w[\w .+()-]*", name) or name == "new":
            raise forms.ValidationError(
                "A name has letters, digits, spaces and . + - ( ), begins with a letter or a digit, and is not “new”."
            )
        return name

    def clean(self) -> dict[str, object]:
        """Figures that contradict each other are refused with the sentence of the traits themselves."""
        cleaned = super().clean() or {}
        if not self.errors:
            try:
                SomType(**cleaned).traits()
            except TraitsError as error:
                self.add_error(error.key if error.key in self.fields else None, str(error))
        return cleaned


class ResetForm(forms.Form):
    """The fields of a power command from a page."""

    reset_type = forms.CharField(max_length=20)
    reason = forms.CharField(max_length=300, required=False)
    accept_stranding = forms.BooleanField(required=False)
    typed = forms.CharField(max_length=80, required=False)
    key = forms.CharField(max_length=200, required=False)


class SeveralForm(forms.Form):
    """The fields of a bulk action: slots in the order in which they are to be acted on."""

    verb = forms.CharField(max_length=10)
    slots = forms.CharField(max_length=40)
    reason = forms.CharField(max_length=300, required=False)

    def clean_slots(self) -> list[int]:
        words = self.cleaned_data["slots"].replace(",", " ").split()
        if not all(word.isdigit() for word in words):
            raise forms.ValidationError("Slots are numbers.")
        return [int(word) for word in words]


class FencedForm(forms.Form):
    """The fields of the gravest acts: a reason and the board's name, typed."""

    reason = forms.CharField(max_length=300, required=False)
    typed = forms.CharField(max_length=80, required=False)
