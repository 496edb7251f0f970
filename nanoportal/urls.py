"""HTTP routes of all apps."""

from django.urls import include, path

from nanoportal.api import api
from nanoportal.health import healthz
from nanoportal.metrics import metrics

urlpatterns = [
    path("healthz", healthz),
    path("metrics", metrics),
    path("api/v1/", api.urls),
    path("", include("accounts.urls")),
    path("", include("reservations.urls")),
    path("", include("slots.urls")),
    path("", include("consoles.urls")),
    path("", include("operations.urls")),
    path("", include("images.urls")),
    path("", include("flashing.urls")),
    path("", include("switch.urls")),
]
handler400 = "accounts.views.failures.bad_request"
handler403 = "accounts.views.failures.permission_denied"
handler404 = "accounts.views.failures.page_not_found"
handler500 = "accounts.views.failures.server_error"
