"""NanoPortal: composition of the apps into one portal. No app imports from here."""
