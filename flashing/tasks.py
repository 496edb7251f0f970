"""Celery's door to flashing: one line, since the rows hold everything."""

from celery import shared_task


@shared_task(name="flashing.run", ignore_result=True)
def run_flash(operation_id: str) -> None:
    from flashing.services.execution import execute  # what it takes is for who writes, not for all those who ask

    execute(operation_id)
