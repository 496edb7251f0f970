"""Celery's door to flashing: one line, since the rows hold everything."""

from celery import shared_task


@shared_task(name="flashing.run", ignore_result=True)
def run_flash(operation_id: str) -> None:
    from flashing.services import execution  # what it takes is for the process that writes, not for the ones that ask

    execution.execute(operation_id)
