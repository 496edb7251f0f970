"""The command line of NanoPortal, over its REST API and its WebSockets. Imports nothing of the portal."""

__version__ = "0.1.0"
AGENT = f"nanoportal-client/{__version__}"
