"""What django-cas-server asks of us: who is who, and the form that they fill in."""

import math
from typing import Any

from bowerbird_hub.demo_cas.book import matches, the_book
from bowerbird_hub.demo_cas.throttle import Throttle
from cas_server.auth import AuthUser
from cas_server.forms import UserCredential
from django import forms

_THROTTLE = Throttle()
_WRONG = "This name and this password do not belong together."


class DemoUser(AuthUser):
    """A demo account, by the name that was typed."""

    def __init__(self, username: str) -> None:
        self._account = the_book().account(username)
        super().__init__(self._account.name if self._account else username)

    def test_password(self, password: str) -> bool:
        """Tell whether it is theirs."""
        return matches(self._account, password)

    def attributs(self) -> dict[str, list[str]]:
        """Return what the server tells the hub of them; its spelling is django-cas-server's."""
        return dict(self._account.attributes) if self._account else {}


class Credentials(UserCredential):
    """Name and password, and a wait after too many wrong ones."""

    warn = None
    username = forms.CharField(
        label="Name",
        max_length=255,
        widget=forms.TextInput(attrs={"autofocus": True, "autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"}),
        error_messages={"required": "Type the name of an account."},
    )
    password = forms.CharField(
        label="Password",
        max_length=255,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
        error_messages={"required": "Type its password."},
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            # Each field has a label above it; a placeholder would only repeat that, and vanish.
            field.widget.attrs.pop("placeholder", None)
            field.widget.attrs.pop("class", None)
        if self.is_bound and self.data.get("username"):
            # Only the password, which no page repeats, is typed again.
            self.fields["username"].widget.attrs.pop("autofocus")
            self.fields["password"].widget.attrs["autofocus"] = True

    def clean(self) -> dict[str, Any]:
        """Return the checked form; ValidationError with a sentence for whoever filled it in."""
        name = str(self.cleaned_data.get("username", "")).strip().lower()
        wait = _THROTTLE.wait_seconds(name)
        if wait:
            raise forms.ValidationError(f"Too many wrong passwords for this name. It can be tried again in {math.ceil(wait)} s.")
        if "username" not in self.cleaned_data or "password" not in self.cleaned_data:
            return dict(self.cleaned_data)
        try:
            checked: dict[str, Any] = super().clean()
        except forms.ValidationError as error:
            _THROTTLE.failed(name)
            raise forms.ValidationError(_WRONG) from error
        _THROTTLE.succeeded(name)
        return checked
