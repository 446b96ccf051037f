"""The pages of the demo CAS server, and which of django-cas-server's addresses it serves."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bowerbird_hub.demo_cas.book import the_book
from cas_server import views
from cas_server.models import ServicePattern
from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import include, path

Page = Callable[[HttpRequest], HttpResponse]


def _is_registered(service: str) -> bool:
    try:
        ServicePattern.validate(service)
    except ServicePattern.DoesNotExist:
        return False
    return True


class Login(views.LoginView):
    """Signs in, for the registered services only."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Refuse a service that is not the platform's before anybody types a password for it."""
        service = request.GET.get("service") or request.POST.get("service")
        if service and not _is_registered(service):
            return render(request, "refused.html", status=403)
        return super().dispatch(request, *args, **kwargs)


class Logout(views.LogoutView):
    """Signs out, and goes on to registered services only."""

    def init_get(self, request: HttpRequest) -> None:
        """Read the request; where it wants to go elsewhere, the page that says so is shown instead."""
        super().init_get(request)
        self.url = None
        asked = request.GET.get("service")
        self.service = asked if asked and _is_registered(asked) else None


def health(_request: HttpRequest) -> HttpResponse:
    """Say that the server answers."""
    return HttpResponse("ok\n", content_type="text/plain")


def stylesheet(_request: HttpRequest) -> HttpResponse:
    """Return the platform's one stylesheet."""
    file = Path(settings.BOWERBIRD_STYLESHEET)
    response = HttpResponse(file.read_bytes() if file.is_file() else b"", content_type="text/css; charset=utf-8")
    response["Cache-Control"] = "max-age=300"
    return response


def said_everywhere(_request: HttpRequest) -> dict[str, Any]:
    """Return what every page shows: the platform, and the way to it."""
    contents = the_book().contents
    return {"platform": contents.platform, "contact": contents.contact, "home": contents.home}


def broken(request: HttpRequest) -> HttpResponse:
    """Return the page for a mistake of ours; it asks nothing of a database that may be why."""
    return HttpResponse(render_to_string("broken.html", said_everywhere(request)), status=500)


def sealed(get_response: Page) -> Page:
    """Keep pages out of caches and frames, and let them load nothing from elsewhere."""

    def seal(request: HttpRequest) -> HttpResponse:
        try:
            request.get_host()
        except DisallowedHost:
            return HttpResponse("This server has another name.\n", status=400, content_type="text/plain")
        response = get_response(request)
        origins = {"{0.scheme}://{0.netloc}".format(urlsplit(service)) for service in the_book().contents.services}
        # The form's answer is a redirect to the platform, and Chromium counts that as its action.
        forms = " ".join(["'self'", *sorted(origins)])
        response.headers.setdefault(
            "Content-Security-Policy",
            f"default-src 'none'; style-src 'self'; img-src data:; form-action {forms}; frame-ancestors 'none'; base-uri 'none'",
        )
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        # Not "no-referrer": Chromium would then post the form with "Origin: null", which the CSRF check refuses.
        response.headers.setdefault("Referrer-Policy", "same-origin")
        return response

    return seal


_SERVED = [
    path("", Login.as_view()),
    path("login", Login.as_view(), name="login"),
    path("logout", Logout.as_view(), name="logout"),
    path("serviceValidate", views.ValidateService.as_view(allow_proxy_ticket=False), name="serviceValidate"),
    path("p3/serviceValidate", views.ValidateService.as_view(allow_proxy_ticket=False), name="p3_serviceValidate"),
    path("health", health, name="health"),
    path("bowerbird.css", stylesheet, name="stylesheet"),
]
urlpatterns = [path("cas/", include((_SERVED, "cas_server")))]
handler500 = broken
