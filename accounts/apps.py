"""The accounts app."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = "People"

    def ready(self) -> None:
        from accounts import access, actors
        from operations import roles

        access.connect()
        roles.renew_by(actors.actor_now)
