"""Boards, slots, power, and what people record of them, over REST."""

from ninja import Router

from slots.api import acts, boards, records

router = Router(tags=["boards"])
router.add_router("", boards.router)
router.add_router("", acts.router)
router.add_router("", records.router)
