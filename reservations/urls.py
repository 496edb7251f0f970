"""Routes of the reservations app."""

from django.urls import path

from reservations import views

app_name = "reservations"
urlpatterns = [
    path("boards/<slug:board>/reservations/", views.board_page, name="board"),
    path("boards/<slug:board>/slots/<int:number>/reserve", views.reserve, name="reserve"),
    path("reservations/<int:pk>/extend", views.extend, name="extend"),
    path("reservations/<int:pk>/release", views.release, name="release"),
    path("reservations/<int:pk>/break", views.break_glass, name="break"),
]
