from django.urls import path

from images import views

app_name = "images"
urlpatterns = [
    path("images/", views.library_page, name="library"),
    path("images/room", views.room, name="room"),
    path("images/uploads", views.uploads_panel, name="uploads"),
    path("images/uploads/<uuid:upload_id>/cancel", views.cancel_upload, name="cancel"),
    path("images/import", views.import_file, name="import"),
    path("images/<uuid:image_id>/", views.image_page, name="image"),
    path("images/<uuid:image_id>/retire", views.retire, name="retire"),
    path("images/<uuid:image_id>/bring-back", views.bring_back, name="bring-back"),
    path("images/<uuid:image_id>/delete", views.delete, name="delete"),
]
