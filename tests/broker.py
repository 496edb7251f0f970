"""The broker as Celery's producer finds it, or does not."""

from nanoportal.celery import app

NOWHERE = "redis+socket:///nowhere/broker.sock?virtual_host=1"


class BrokerAway:
    """Points Celery at a socket that does not exist, until `back`."""

    def __init__(self) -> None:
        self._url = app.conf.broker_url
        self.leave()

    def leave(self) -> None:
        self._point_at(NOWHERE)

    def back(self) -> None:
        self._point_at(self._url)

    def _point_at(self, url: str) -> None:
        app.conf.broker_url = url
        app._pool = app.amqp._producer_pool = None  # they are made anew for the new address
