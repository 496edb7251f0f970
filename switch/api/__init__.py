"""The switch over REST. A port is a slot's number or "uplink"."""

from ninja import Router

from switch.api import live, recovery, revisions, vlans

router = Router(tags=["switch"])
router.add_router("", vlans.router)
router.add_router("", revisions.router)
router.add_router("", recovery.router)
router.add_router("", live.router)
