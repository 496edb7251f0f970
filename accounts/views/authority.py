"""The portal's own certificate authority, for whoever wants to trust it. What it shows is no secret."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts import certificates
from operations.refusals import NotFound


def own_authority() -> certificates.Files:
    """Its files. Raises NotFound where the portal has none."""
    files = certificates.files_of(settings.DATA_DIR)
    if not settings.TLS.is_own or not files.authority.exists():
        raise NotFound("This portal has no certificate authority of its own.", code="no-authority")
    return files


@require_safe
def authority(request: HttpRequest) -> HttpResponse:
    """What it is, how to make sure, and how to install it."""
    files = own_authority()
    context = {
        "fingerprint": certificates.fingerprint(files.authority),
        "ends_at": certificates.ends_at(files.authority),
        "host": request.get_host(),
    }
    return render(request, "accounts/authority.html", context)


@require_safe
def download(request: HttpRequest) -> HttpResponse:
    """Its certificate."""
    content = own_authority().authority.read_bytes()
    headers = {"Content-Disposition": 'attachment; filename="nanoportal-ca.crt"'}
    return HttpResponse(content, content_type="application/x-x509-ca-cert", headers=headers)
