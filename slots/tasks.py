"""Celery's door to power: one line, since the operation holds everything."""

from celery import shared_task

from slots.services import execution


@shared_task(name="slots.power", ignore_result=True)
def run_power(operation_id: str) -> None:
    execution.execute(operation_id)
