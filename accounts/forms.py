"""Forms about people. Names are validated by the model, passwords by the validators of the settings."""

from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import MaxLengthValidator

from accounts import places
from accounts.models import ConsoleRight, Kind, Role, User
from accounts.passwords import GREATEST_LENGTH
from accounts.services import rights
from accounts.services.tokens import Wish
from operations.rights import EVERYWHERE
from operations.roles import Actor

INPUT = {"class": "input"}
NAME = {**INPUT, "autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"}
NEW = {**INPUT, "autocomplete": "new-password"}
CURRENT = {**INPUT, "autocomplete": "current-password"}


class SignInForm(AuthenticationForm):
    """Name and password. The one sentence for a failure says nothing about which was wrong."""

    error_messages = {"invalid_login": "Name or password is wrong.", "inactive": "Name or password is wrong."}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].widget.attrs = {**NAME}
        self.fields["username"].label = "Name"
        self.fields["password"].validators.append(MaxLengthValidator(GREATEST_LENGTH, "This is no password here."))
        self.fields["password"].widget.attrs = {**CURRENT}
        named = self.is_bound or self.initial.get("username")
        self.fields["password" if named else "username"].widget.attrs["autofocus"] = True

    def confirm_login_allowed(self, user: Any) -> None:
        super().confirm_login_allowed(user)
        if user.kind != Kind.PERSON:
            raise self.get_invalid_login_error()


class CodeForm(forms.Form):
    """The second step of signing in."""

    code = forms.CharField(
        label="Code",
        max_length=40,
        widget=forms.TextInput(
            {
                **INPUT,
                "autocomplete": "one-time-code",
                "autocapitalize": "none",
                "spellcheck": "false",
                "autofocus": True,
            }
        ),
        help_text="The six digits that your authenticator app shows, or one of your recovery codes.",
    )


class ConfirmForm(forms.Form):
    """One's own password once more, before something grave."""

    password = forms.CharField(
        label="Password",
        strip=False,
        max_length=GREATEST_LENGTH,
        widget=forms.PasswordInput({**CURRENT, "autofocus": True}),
    )


class NewPasswordForm(forms.Form):
    """A new password, twice."""

    password = forms.CharField(
        label="Password",
        strip=False,
        widget=forms.PasswordInput(NEW),
        help_text="12 characters or more. Length counts, symbols do not matter.",
    )
    again = forms.CharField(label="Again", strip=False, widget=forms.PasswordInput(NEW))

    def __init__(self, *args: Any, person: User | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.person = person

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        password, again = cleaned.get("password"), cleaned.get("again")
        if password and again and password != again:
            self.add_error("again", "This differs from the password above.")
        elif password:
            try:
                validate_password(password, self.person)
            except ValidationError as problem:
                self.add_error("password", problem)
        return cleaned


class ChangePasswordForm(NewPasswordForm):
    """One's own password: the present one first."""

    field_order = ["present", "password", "again"]
    present = forms.CharField(
        label="Present password", strip=False, max_length=GREATEST_LENGTH, widget=forms.PasswordInput(CURRENT)
    )
    person: User

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["password"].label = "New password"

    def clean_present(self) -> str:
        present = str(self.cleaned_data["present"])
        if not self.person.check_password(present):
            raise ValidationError("This is not your present password.")
        return present


class NewPersonForm(NewPasswordForm):
    """A name and a password; `role` too where an administrator asks."""

    field_order = ["name", "role", "password", "again"]
    name = forms.CharField(label="Name", max_length=60, widget=forms.TextInput({**NAME, "autocomplete": "off"}))

    def clean_name(self) -> str:
        name = User.normalize_username(str(self.cleaned_data["name"]))
        person = User(username=name)
        try:
            person.full_clean(exclude=["password"])
        except ValidationError as problem:
            raise ValidationError(problem.messages[0]) from problem
        self.person = person
        return name


class FirstAdministratorForm(NewPersonForm):
    """The set-up page's form."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].widget.attrs = {**NAME, "autofocus": True}


class AddPersonForm(NewPersonForm):
    """The people page's form."""

    role = forms.ChoiceField(label="Role", choices=Role.choices, widget=forms.Select(INPUT))


class InviteForm(forms.Form):
    """Somebody who chooses their password by a link, with a first right."""

    name = forms.CharField(label="Name", max_length=60, widget=forms.TextInput({**NAME, "autocomplete": "off"}))
    role = forms.ChoiceField(label="Role", choices=Role.choices, widget=forms.Select(INPUT))
    scope = forms.ChoiceField(label="On", widget=forms.Select(INPUT))
    until = forms.DateTimeField(required=False)  # UTC; the page turns the reader's own time into it

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        scope = self.fields["scope"]
        assert isinstance(scope, forms.ChoiceField)
        scope.choices = places.choices()

    clean_name = NewPersonForm.clean_name


class GrantForm(forms.Form):
    """One more right for somebody or a group."""

    role = forms.ChoiceField(label="Role", choices=Role.choices, widget=forms.Select(INPUT))
    scope = forms.ChoiceField(label="On", widget=forms.Select(INPUT))
    console = forms.ChoiceField(label="Consoles", choices=ConsoleRight.choices, required=False)
    until = forms.DateTimeField(required=False)  # UTC, as above

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        scope, console = self.fields["scope"], self.fields["console"]
        assert isinstance(scope, forms.ChoiceField)
        scope.choices = places.choices()
        console.widget.attrs["class"] = "input"


SCOPE_WORDS = {
    "read": "Read: boards, slots, images, VLANs, the audit log",
    "power": "Power: switch SOMs, say what they do",
    "console": "Consoles: watch and type",
    "flash": "Flash: images, profiles, flash jobs",
    "switch": "Switch: change and commit VLANs",
    "reserve": "Reserve slots",
    "metrics": "Metrics alone",
    "people": "People: rights and groups",
}


class TokenForm(forms.Form):
    """What a token is for, where, from where and until when."""

    name = forms.CharField(label="Name", max_length=60, widget=forms.TextInput({**INPUT, "autocomplete": "off"}))
    scopes = forms.MultipleChoiceField(
        label="For", choices=list(SCOPE_WORDS.items()), widget=forms.CheckboxSelectMultiple
    )
    resources = forms.MultipleChoiceField(label="On", widget=forms.CheckboxSelectMultiple)
    addresses = forms.CharField(
        label="From",
        required=False,
        max_length=500,
        widget=forms.TextInput({**INPUT, "placeholder": "10.0.0.0/24"}),
        help_text="Addresses or networks, separated by spaces. None: from anywhere.",
    )
    until = forms.DateTimeField(required=False)  # UTC, as above

    def __init__(self, *args: Any, actor: Actor, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        resources = self.fields["resources"]
        assert isinstance(resources, forms.MultipleChoiceField)
        resources.choices = places.choices(actor)  # nobody reads here what they may not see
        resources.initial = [EVERYWHERE]

    def clean_resources(self) -> list[str]:
        asked: list[str] = self.cleaned_data["resources"]
        if EVERYWHERE in asked and len(asked) > 1:  # else it would be for everything, whatever else was ticked
            raise ValidationError("Everything includes the others: tick that alone, or only the others.")
        return asked

    def wish(self) -> Wish:
        """What was asked for, once it is valid."""
        given = self.cleaned_data
        addresses = tuple(given["addresses"].replace(",", " ").split())
        return Wish(given["name"], tuple(given["scopes"]), tuple(given["resources"]), addresses, given["until"])


class GroupForm(forms.Form):
    """A group's name and who is in it."""

    name = forms.CharField(label="Name", max_length=60, widget=forms.TextInput({**INPUT, "autocomplete": "off"}))
    members = forms.ModelMultipleChoiceField(
        label="Members", queryset=User.objects.all(), required=False, widget=forms.CheckboxSelectMultiple
    )


class WhyForm(forms.Form):
    """A question: may somebody do that there?"""

    who = forms.ModelChoiceField(
        label="Who", queryset=User.objects.all(), to_field_name="username", widget=forms.Select(INPUT)
    )
    act = forms.ChoiceField(label="Does what", widget=forms.Select(INPUT), choices=rights.QUESTIONS)
    where = forms.ChoiceField(label="Where", widget=forms.Select(INPUT))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        where, who = self.fields["where"], self.fields["who"]
        assert isinstance(where, forms.ChoiceField)
        assert isinstance(who, forms.ModelChoiceField)
        where.choices = places.choices()[1:]
        who.empty_label = None
