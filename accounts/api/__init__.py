"""Who one is, API tokens, machines, people, their sessions, groups and rights over REST.

What asks a person to show that it is them (invitations and links, passwords, second factors, passkeys, removing an
account) is for a person at the pages, and not here.
"""

from ninja import Router

from accounts.api import granting, own, people

router = Router(tags=["people"])
router.add_router("", own.router)
router.add_router("", people.router)
router.add_router("", granting.router)
