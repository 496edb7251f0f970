"""What people type about serial ports and stage rules, checked."""

from typing import Any

from django import forms

from consoles.models import BAUD_RATES, ConsolePort, Stage, StageRule
from operations.forms import Dressed
from operations.rights import ADMINISTRATOR, CONSOLE_OPERATOR, OPERATOR, VIEWER

BAUD_CHOICES = [(baud, f"{baud}") for baud in BAUD_RATES]


class PortForm(Dressed):
    """How a serial port is opened and recorded."""

    class Meta:
        model = ConsolePort
        fields = ("baud", "recording", "quota_mib", "retention_days")
        labels = {
            "baud": "Speed, baud",
            "recording": "Record what it says",
            "quota_mib": "Room for its recording, MiB",
            "retention_days": "Kept for, days",
        }
        help_texts = {
            "baud": "Taken at once; nobody has to reconnect.",
            "recording": "Whether anybody watches or not. Keys are never recorded.",
            "quota_mib": "The oldest goes first.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        baud = self.fields["baud"]
        assert isinstance(baud, forms.TypedChoiceField)
        baud.choices = [("", "As its SOM needs it"), *BAUD_CHOICES]


class WhoForm(forms.Form):
    """Who may read a console, and who may type on it: the least role for each, among those who may at all."""

    read = forms.ChoiceField(label="May watch and read its recordings", choices=[(VIEWER, "Everybody who sees it"),
        (CONSOLE_OPERATOR, "Console operators and above"), (OPERATOR, "Operators and above"),
        (ADMINISTRATOR, "Administrators")])  # fmt: skip
    write = forms.ChoiceField(label="May type", choices=[(CONSOLE_OPERATOR, "Console operators and above"),
        (OPERATOR, "Operators and above"), (ADMINISTRATOR, "Administrators")])  # fmt: skip

    def __init__(self, *args: Any, locked: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.widget.attrs["class"] = "input"
            field.disabled = locked


class RuleForm(Dressed):
    """A text by which a boot stage is recognised."""

    class Meta:
        model = StageRule
        fields = ("som_type", "stage", "match", "text")
        labels = {"som_type": "SOM type", "match": "When", "text": "Text"}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        kind = self.fields["som_type"]
        assert isinstance(kind, forms.ModelChoiceField)
        kind.empty_label = "Every type"
        stage = self.fields["stage"]
        assert isinstance(stage, forms.TypedChoiceField)
        stage.choices = Stage.choices
