"""What the log says of requests that are refused before they reach a page."""

import logging


class Briefly(logging.Filter):
    """One line for what anybody can send (a foreign host, a body that is none), where Django would add thirty of its
    own code: whoever sends a thousand of them should not wear out a memory card."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.startswith("django.security"):
            record.exc_info = record.exc_text = None
        return True
