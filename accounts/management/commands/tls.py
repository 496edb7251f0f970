"""`manage.py tls`: what the portal serves https with, so that whoever is warned by a browser can compare."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from accounts import certificates


class Command(BaseCommand):
    help = "Show the certificate that the portal serves https with, and the fingerprint of its own authority."

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.TLS.is_on:
            raise CommandError("NANOPORTAL_TLS is off: the portal speaks plain http.")
        try:
            if settings.TLS.is_own:
                self._say_authority(certificates.files_of(settings.DATA_DIR))
            self._say("Certificate", settings.TLS.certificate)
        except FileNotFoundError as error:
            raise CommandError(f"{error.filename} is not made yet; it is when the portal starts.") from error
        except (OSError, ValueError) as error:
            raise CommandError(f"{settings.TLS.certificate} cannot be read: {error}") from error

    def _say_authority(self, files: certificates.Files) -> None:
        self._say("Authority", files.authority)
        self.stdout.write("  Install it where you browse; /tls/ of the portal hands it out.")

    def _say(self, what: str, path: Any) -> None:
        self.stdout.write(f"{what} {path}, until {certificates.ends_at(path):%Y-%m-%d}")
        self.stdout.write(f"  SHA-256 {certificates.fingerprint(path)}")
