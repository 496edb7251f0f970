from django.urls import path

from operations import views

app_name = "operations"
urlpatterns = [
    path("audit/", views.audit_page, name="audit"),
    path("audit/verify", views.verify, name="verify"),
    path("audit/export", views.export, name="export"),
    path("operations/<uuid:operation_id>/", views.operation_page, name="operation"),
    path("operations/<uuid:operation_id>/cancel", views.cancel, name="cancel"),
]
