from django.urls import path

from slots import views

app_name = "slots"
SLOT = "boards/<slug:board>/slots/<int:number>"
urlpatterns = [
    path("", views.dashboard, name="dashboard"),
    path("boards/", views.fleet, name="fleet"),
    path("som-types/new/", views.som_type, name="new-som-type"),
    path("som-types/<str:name>/", views.som_type, name="som-type"),
    path("boards/<slug:board>/", views.board_page, name="board"),
    path("boards/<slug:board>/nav", views.nav, name="nav"),
    path("boards/<slug:board>/settings/", views.board_settings, name="settings"),
    path("boards/<slug:board>/several/confirm", views.confirm_several, name="confirm-several"),
    path("boards/<slug:board>/several", views.act_on_several, name="several"),
    path("boards/<slug:board>/switch/reset", views.reset_switch, name="reset-switch"),
    path("boards/<slug:board>/controller/restart", views.restart_controller, name="restart-controller"),
    path(f"{SLOT}/", views.slot_page, name="slot"),
    path(f"{SLOT}/history/", views.history, name="history"),
    path(f"{SLOT}/som/", views.edit_som, name="som"),
    path(f"{SLOT}/som/remove", views.remove_som, name="remove-som"),
    path(f"{SLOT}/reset/confirm", views.confirm_reset, name="confirm-reset"),
    path(f"{SLOT}/reset", views.reset, name="reset"),
    path(f"{SLOT}/mark-off", views.mark_off, name="mark-off"),
    path(f"{SLOT}/clear-latch", views.clear_latch, name="clear-latch"),
]
