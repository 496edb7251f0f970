from django.urls import path

from consoles import views

app_name = "consoles"
BOARD = "boards/<slug:board>/consoles"
SLOT = "boards/<slug:board>/slots/<int:number>"
urlpatterns = [
    path(f"{BOARD}/", views.grid, name="grid"),
    path(f"{BOARD}/search/", views.search, name="search"),
    path(f"{BOARD}/stages/", views.stages, name="stages"),
    path(f"{BOARD}/stages/<int:rule>/", views.change_rule, name="rule"),
    path(f"{SLOT}/console/", views.console, name="console"),
    path(f"{SLOT}/console/panel", views.panel, name="panel"),
    path(f"{SLOT}/console/settings/", views.settings, name="settings"),
    path(f"{SLOT}/recordings/", views.recordings, name="recordings"),
    path(f"{SLOT}/recordings/data", views.recording_data, name="data"),
    path(f"{SLOT}/recordings/download", views.download, name="download"),
]
