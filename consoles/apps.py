from django.apps import AppConfig
from django.db.models.signals import post_migrate


class ConsolesConfig(AppConfig):
    name = "consoles"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from consoles.services.stages import seed_shipped_rules

        post_migrate.connect(seed_shipped_rules, sender=self)
