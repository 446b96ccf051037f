"""Starts the demo CAS server: settings, database, the HTTP server, and its end."""

import argparse
import logging
import logging.config
import os
import re
import secrets
import signal
import socketserver
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import urlsplit
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import django
from bowerbird_hub.demo_cas.book import Contents, open_book, the_book
from django.conf import settings
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application

LOOPBACK = "127.0.0.1"
# So long may a hub in the same pod take to write the accounts at its first start.
ACCOUNTS_SECONDS = 120
HERE = Path(__file__).resolve().parent
STYLESHEET = HERE.parent / "pages" / "bowerbird.css"
CLEANING_SECONDS = 600
LOOK_SECONDS = 2
CLIENT_SECONDS = 30
# Longer than any sign-on lasts: a ticket that times out here would sign its person out of the platform.
TICKET_DAYS = 90
_SECRET = re.compile(r"\b(?:ST|PT|PGT|PGTIOU|TGT|LT)-[A-Za-z0-9._~%+=-]{4,}|(?<=state=)[^&\s]+")
_APPLICATIONS = ("django.contrib.contenttypes", "django.contrib.auth", "django.contrib.sessions", "django.contrib.messages", "cas_server")
_MIDDLEWARE = (
    "bowerbird_hub.demo_cas.pages.sealed",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
)


class _StrikeOut(logging.Filter):
    """Strikes tickets out of what is logged."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = _SECRET.sub("[secret]", record.getMessage()), ()
        return True


_LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"strike_out": {"()": _StrikeOut}},
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "filters": ["strike_out"], "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
}


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 128


class _Requests(WSGIRequestHandler):
    timeout = CLIENT_SECONDS

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log what was asked for, without its query: tickets and states stand there."""
        logging.getLogger("bowerbird.cas").info("%s %s %s", self.command, self.path.partition("?")[0], code)

    def address_string(self) -> str:
        return str(self.client_address[0])


def _secret_key(directory: Path) -> str:
    file = directory / "secret-key"
    if not file.exists():
        with open(os.open(file, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as made:
            made.write(secrets.token_urlsafe(48))
    return file.read_text(encoding="ascii")


def _hosts(contents: Contents) -> list[str]:
    services = [urlsplit(service).hostname or "" for service in contents.services]
    return [LOOPBACK, "localhost", "[::1]", *filter(None, services)]


def _origins(contents: Contents) -> list[str]:
    """Return the platform's own origins: pages come from there where a proxy takes TLS off, and the scheme alone differs."""
    return sorted({f"{parts.scheme}://{parts.netloc}" for parts in map(urlsplit, contents.services)})


def _database(directory: Path) -> dict[str, Any]:
    options = {"timeout": 20, "transaction_mode": "IMMEDIATE", "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL"}
    return {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(directory / "cas.sqlite"), "OPTIONS": options}}


def _cas_settings() -> dict[str, Any]:
    """Return what django-cas-server reads: our accounts and pages, nothing of other hosts, no news of itself."""
    return {
        "CAS_AUTH_CLASS": "bowerbird_hub.demo_cas.sign_in.DemoUser",
        "CAS_USER_CREDENTIAL_FORM": "bowerbird_hub.demo_cas.sign_in.Credentials",
        "CAS_LOGIN_TEMPLATE": "login.html",
        "CAS_LOGGED_TEMPLATE": "logged.html",
        "CAS_WARN_TEMPLATE": "logged.html",
        "CAS_LOGOUT_TEMPLATE": "logout.html",
        "CAS_COMPONENT_URLS": dict.fromkeys(
            ("bootstrap3_css", "bootstrap3_js", "html5shiv", "respond", "bootstrap4_css", "bootstrap4_js", "jquery"), ""
        ),
        "CAS_NEW_VERSION_HTML_WARNING": False,
        "CAS_NEW_VERSION_EMAIL_WARNING": False,
        "CAS_SHOW_SERVICE_MESSAGES": False,
        "CAS_INFO_MESSAGES": {},
        "CAS_TICKET_VALIDITY": 60,
        "CAS_TICKET_TIMEOUT": TICKET_DAYS * 86400,
    }


def configure(directory: Path, port: int, stylesheet: Path, behind_proxy: bool) -> None:
    """Tell Django what it is; the book is open already."""
    origins = _origins(the_book().contents) if behind_proxy else []
    # Whoever comes by a proxy comes to the platform's own address.
    secure = bool(origins) and all(origin.startswith("https:") for origin in origins)
    settings.configure(
        DEBUG=False,
        SECRET_KEY=_secret_key(directory),
        ALLOWED_HOSTS=_hosts(the_book().contents),
        CSRF_TRUSTED_ORIGINS=origins,
        ROOT_URLCONF="bowerbird_hub.demo_cas.pages",
        INSTALLED_APPS=list(_APPLICATIONS),
        MIDDLEWARE=list(_MIDDLEWARE),
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "DIRS": [str(HERE / "templates")],
                "APP_DIRS": True,  # the XML of the protocol is django-cas-server's own
                "OPTIONS": {
                    "context_processors": [
                        "bowerbird_hub.demo_cas.pages.said_everywhere",
                        "django.contrib.messages.context_processors.messages",
                    ]
                },
            }
        ],
        DATABASES=_database(directory),
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        USE_TZ=True,
        USE_I18N=False,
        STATIC_URL="/cas/static/",
        # Cookies do not know ports: two platforms on one machine would overwrite each other's.
        SESSION_COOKIE_NAME=f"bowerbird-cas-{port}",
        SESSION_COOKIE_PATH="/cas/",
        SESSION_COOKIE_SECURE=secure,
        CSRF_COOKIE_NAME=f"bowerbird-cas-csrf-{port}",
        CSRF_COOKIE_PATH="/cas/",
        CSRF_COOKIE_SECURE=secure,
        CSRF_COOKIE_HTTPONLY=True,
        LOGGING_CONFIG=None,
        BOWERBIRD_STYLESHEET=str(stylesheet),
        **_cas_settings(),
    )
    django.setup()


def register(services: tuple[str, ...], hub: str) -> None:
    """Make those service URLs, with any query, the only ones that tickets are given for.

    Where a hub is named, that is told who signs out, in the place of the service at the platform's public name.
    """
    from cas_server.models import ReplaceAttributName, ServicePattern  # noqa: PLC0415 - models exist after django.setup()

    pattern = "|".join(rf"^{re.escape(service)}(?:\?[^#]*)?$" for service in services)
    told = {"single_log_out": True, "single_log_out_callback": f"{hub}{urlsplit(services[0]).path}" if hub and services else ""}
    kept, _ = ServicePattern.objects.update_or_create(name="platform", defaults={"pos": 1, "pattern": pattern, **told})
    for attribute in ("memberOf", "displayName"):
        ReplaceAttributName.objects.get_or_create(name=attribute, service_pattern=kept)


def _keep_house(stop: threading.Event, hub: str) -> None:
    """Follow the file's services, and sweep out what has expired."""
    registered = the_book().contents.services
    rounds = 0
    while not stop.wait(LOOK_SECONDS):
        rounds += 1
        if the_book().contents.services != registered:
            registered = the_book().contents.services
            register(registered, hub)
        if rounds % (CLEANING_SECONDS // LOOK_SECONDS) == 0:
            for command in ("cas_clean_tickets", "cas_clean_sessions", "clearsessions"):
                call_command(command)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="A CAS server for demonstrations.")
    parser.add_argument("--host", default=LOOPBACK, help="the address to listen on; another one only where a proxy is in front")
    parser.add_argument("--port", type=int, required=True, help="the port on that address")
    parser.add_argument("--dir", type=Path, required=True, help="where its database lies")
    parser.add_argument("--accounts", type=Path, required=True, help="the accounts, as the hub wrote them")
    parser.add_argument("--hub", default="", help="where the hub hears who signs out, if its public name leads nowhere from here")
    parser.add_argument("--stylesheet", type=Path, default=STYLESHEET)
    return parser.parse_args()


def _await(accounts: Path) -> None:
    """Return when the hub has written the accounts, or has had time enough for it."""
    ends = time.monotonic() + ACCOUNTS_SECONDS
    while not accounts.exists() and time.monotonic() < ends:
        time.sleep(0.2)


def _end(_signal: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


def main() -> int:
    """Serve until a signal ends it."""
    arguments = _arguments()
    os.umask(0o077)
    # Single logout posts to the hub on this machine, whatever proxy the machine has for others.
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "*"
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGINT, _end)
    logging.config.dictConfig(_LOGGING)
    arguments.dir.mkdir(parents=True, exist_ok=True)
    _await(arguments.accounts)
    book = open_book(arguments.accounts)
    with _Server((arguments.host, arguments.port), _Requests) as server:
        configure(arguments.dir, server.server_port, arguments.stylesheet, behind_proxy=arguments.host != LOOPBACK)
        call_command("migrate", verbosity=0, interactive=False)
        register(book.contents.services, arguments.hub)
        server.set_app(get_wsgi_application())
        stop = threading.Event()
        threading.Thread(target=_keep_house, args=(stop, arguments.hub), daemon=True).start()
        print(f"ready http://{LOOPBACK}:{server.server_port}/cas", flush=True)
        server.serve_forever(poll_interval=0.2)
    return 0
