"""What people fill in about reservations."""

from datetime import date, timedelta

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone

INPUT = {"class": "input"}
LENGTHS = [
    (1800, "30 minutes"),
    (3600, "1 hour"),
    (7200, "2 hours"),
    (4 * 3600, "4 hours"),
    (8 * 3600, "8 hours"),
    (86400, "1 day"),
    (3 * 86400, "3 days"),
    (7 * 86400, "1 week"),
    (14 * 86400, "2 weeks"),
]


class ReserveForm(forms.Form):
    """A slot for a time: now, from a time on, or when it is free."""

    purpose = forms.CharField(max_length=200, widget=forms.TextInput({**INPUT, "autocomplete": "off"}))
    seconds = forms.TypedChoiceField(label="For", choices=LENGTHS, coerce=int, widget=forms.Select(INPUT), initial=7200)
    starts_at = forms.DateTimeField(required=False)  # UTC; the page turns the reader's own time into it
    queue = forms.BooleanField(required=False)


class ExtendForm(forms.Form):
    """How much longer."""

    seconds = forms.TypedChoiceField(
        label="Longer by", choices=LENGTHS[:-1], coerce=int, widget=forms.Select(INPUT), initial=3600
    )


class BreakForm(forms.Form):
    """Why somebody's reservation is overridden."""

    reason = forms.CharField(max_length=300)


class SpanForm(forms.Form):
    """Which days the calendar shows."""

    first = forms.DateField(required=False)  # within a year or so: nothing is kept or planned beyond
    days = forms.TypedChoiceField(choices=[(7, "Week"), (28, "Month")], coerce=int, required=False)

    def clean_first(self) -> date | None:
        first = self.cleaned_data["first"]
        if first is not None and abs(first - timezone.now().date()) > timedelta(days=400):
            raise ValidationError("Nothing is kept or planned that far away.")
        return first
