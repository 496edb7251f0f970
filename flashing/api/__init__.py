"""Flashing over REST: runs and their jobs, machines on the network, first-boot profiles."""

from ninja import Router

from flashing.api import network, profiles, runs

router = Router(tags=["flashing"])
router.add_router("", runs.router)
router.add_router("", network.router)
router.add_router("", profiles.router)
