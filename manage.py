#!/usr/bin/env python
"""Django's command line for NanoPortal."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "nanoportal.settings")
    from django.core.management import execute_from_command_line

    from nanoportal.commands import on_record

    with on_record(sys.argv):
        execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
