"""Celery's doors to the switch: one line each, since the rows hold everything."""

from celery import shared_task

from switch.services import execution, scanning


@shared_task(name="switch.vlan", ignore_result=True)
def run_change(operation_id: str) -> None:
    execution.execute(operation_id)


@shared_task(name="switch.scan", ignore_result=True)
def run_scan(operation_id: str) -> None:
    scanning.execute(operation_id)
