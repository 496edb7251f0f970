"""The accounts app."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = "People"

    def ready(self) -> None:
        from django.contrib.auth.signals import user_logged_in

        from accounts import access, actors, recent, session_store
        from operations import roles

        access.connect()
        roles.renew_by(actors.actor_now)
        user_logged_in.connect(session_store.note_beginning, dispatch_uid="where a session began")
        user_logged_in.connect(recent.note_signed_in, dispatch_uid="when a person was last sure to be there")
