"""Consoles, their recordings, settings and stage rules over REST. Typing and watching live is done by WebSocket."""

from ninja import Router

from consoles.api import reading, settings

router = Router(tags=["consoles"])
router.add_router("", reading.router)
router.add_router("", settings.router)
