from django.urls import path

from flashing.views import network, profiles, runs, wizard

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
    path(f"{NEW}/network/<int:number>", network.network_panel, name="network"),
    path(f"{NEW}/network/<int:number>/trust", network.trust_host, name="trust-host"),
    path(f"{RUN}/", runs.run_page, name="run"),
    path(f"{RUN}/log", runs.log_panel, name="log"),
    path(f"{RUN}/log.txt", runs.log_text, name="log-text"),
    path(f"{RUN}/cancel", runs.cancel_all, name="cancel-all"),
    path(f"{JOB}/holding", runs.holding, name="holding"),
    path(f"{JOB}/simulated-hands", runs.simulated_hands, name="simulated-hands"),
    path(f"{JOB}/cancel", runs.cancel, name="cancel"),
    path(f"{JOB}/retry", runs.retry, name="retry"),
    path("flashing/profiles/", profiles.profiles_page, name="profiles"),
    path("flashing/profiles/new", profiles.new_profile, name="new-profile"),
    path("flashing/profiles/<int:profile_id>/", profiles.profile_page, name="profile"),
    path("flashing/profiles/<int:profile_id>/delete", profiles.delete_profile, name="delete-profile"),
]
