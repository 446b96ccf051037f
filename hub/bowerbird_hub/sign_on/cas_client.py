"""The one request that the hub makes to a CAS server: whether a ticket is good, and whose it is."""

from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlencode, urlsplit

from bowerbird_config.sign_on import is_loopback
from bowerbird_hub.sign_on.cas_protocol import MAX_REPLY_BYTES, CASError, CasUser, MalformedReply, parse_service_response
from tornado.httpclient import HTTPClientError, HTTPRequest, HTTPResponse
from tornado.httputil import HTTPInputError
from tornado.simple_httpclient import HTTPTimeoutError, SimpleAsyncHTTPClient

OK = 200
FORBIDDEN = 403  # Apereo's status for a service that it does not know; the body is a proper failure


class CASUnreachable(CASError):
    """The server gave no answer that could be read at all."""


def is_trustworthy(url: str) -> bool:
    """Tell whether a server's answers can be believed: TLS, or the same machine."""
    parts = urlsplit(url)
    return parts.scheme == "https" or is_loopback(parts.hostname or "")


@dataclass(frozen=True, slots=True)
class CASServer:
    """A CAS server by its base URL, and how long to wait for it; `ca_certs` replaces the system's authorities.

    `inner` is where the hub asks it, where that is another address than the one that browsers know.
    """

    url: str
    timeout: timedelta
    ca_certs: str | None = None
    inner: str | None = None

    def login_url(self, service: str) -> str:
        """Return where a browser signs in for that service."""
        return f"{self.url.rstrip('/')}/login?{urlencode({'service': service})}"

    def logout_url(self, service: str) -> str:
        """Return where a browser signs out of everything, to come back to that service."""
        return f"{self.url.rstrip('/')}/logout?{urlencode({'service': service})}"

    async def validate(self, ticket: str, service: str) -> CasUser:
        """Return whom the ticket stands for; CASError where it stands for nobody or the server cannot say."""
        asked = self.inner or self.url
        if not is_trustworthy(asked):
            raise CASUnreachable("the sign-on server's URL is not https, so its answers cannot be believed")
        response = await self._fetch(f"{asked.rstrip('/')}/p3/serviceValidate?{urlencode({'service': service, 'ticket': ticket})}")
        if response.code not in (OK, FORBIDDEN):
            raise CASUnreachable(f"the sign-on server answered with status {response.code}")
        user = parse_service_response(response.body)
        if response.code != OK:
            raise MalformedReply(f"the sign-on server named a user with status {response.code}")
        return user

    async def _fetch(self, url: str) -> HTTPResponse:
        seconds = self.timeout.total_seconds()
        request = HTTPRequest(
            url,
            connect_timeout=seconds,
            request_timeout=seconds,
            follow_redirects=False,
            validate_cert=True,
            ca_certs=self.ca_certs,
            decompress_response=False,
        )
        # An instance of its own: the shared one has no limit on the size of a body.
        client = SimpleAsyncHTTPClient(force_instance=True, max_body_size=MAX_REPLY_BYTES)
        try:
            return await client.fetch(request, raise_error=False)
        except HTTPTimeoutError as error:
            raise CASUnreachable(f"the sign-on server did not answer within {seconds:g} s") from error
        except (HTTPClientError, HTTPInputError, OSError) as error:
            # Their own words may hold the URL, and with it the ticket.
            raise CASUnreachable(f"the sign-on server could not be reached or broke off ({type(error).__name__})") from error
        finally:
            client.close()
