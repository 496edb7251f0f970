from django.urls import path

from flashing.views import runs, wizard

app_name = "flashing"
BOARD = "boards/<slug:board>/flashing"
NEW = f"{BOARD}/new"
RUN = f"{BOARD}/runs/<uuid:run_id>"
JOB = f"{BOARD}/jobs/<uuid:operation_id>"
urlpatterns = [
    path(f"{BOARD}/", runs.runs_page, name="runs"),
    path(f"{NEW}/", wizard.slots_page, name="slots"),
    path(f"{NEW}/image/", wizard.image_page, name="image"),
    path(f"{NEW}/method/", wizard.method_page, name="method"),
    path(f"{NEW}/first-boot/", wizard.first_boot_page, name="first-boot"),
    path(f"{NEW}/review/", wizard.review_page, name="review"),
    path(f"{RUN}/", runs.run_page, name="run"),
    path(f"{RUN}/log", runs.log_panel, name="log"),
    path(f"{RUN}/log.txt", runs.log_text, name="log-text"),
    path(f"{RUN}/cancel", runs.cancel_all, name="cancel-all"),
    path(f"{JOB}/holding", runs.holding, name="holding"),
    path(f"{JOB}/cancel", runs.cancel, name="cancel"),
    path(f"{JOB}/retry", runs.retry, name="retry"),
]
