"""Replies of CAS servers, good and bad, and what may be said of them."""

import pytest
from bowerbird_hub.sign_on.cas_protocol import (
    FAILURES,
    MAX_LOGOUT_BYTES,
    MAX_REPLY_BYTES,
    CASError,
    CasUser,
    MalformedReply,
    TicketRefused,
    is_service_ticket,
    parse_logout_request,
    parse_service_response,
)
from hypothesis import given
from hypothesis import strategies as st

from tests.support.cas import NAMESPACE, failure, logout_request, success

SECRETS = ("ST-1-abcdefghijkl-cas01", "https://hub.example.org/hub/cas/callback?state=s3cret", "PGT-2-mnopqrstuvw", "PGTIOU-3-xyz")


def response(inner: str) -> bytes:
    return f'<cas:serviceResponse xmlns:cas="{NAMESPACE}">{inner}</cas:serviceResponse>'.encode()


def signed_on(inner: str) -> bytes:
    return response(f"<cas:authenticationSuccess>{inner}</cas:authenticationSuccess>")


def test_success_names_the_user_and_every_value_of_each_attribute():
    user = parse_service_response(success("ann", {"memberOf": ["b", "a"], "mail": ["ann@example.org"]}))
    assert user.name == "ann"
    assert user.attributes == {"memberOf": ("b", "a"), "mail": ("ann@example.org",)}


def test_values_of_one_attribute_may_stand_apart_from_each_other():
    reply = signed_on(
        "<cas:attributes><cas:memberOf>a</cas:memberOf><cas:mail>m</cas:mail><cas:memberOf>b</cas:memberOf></cas:attributes><cas:user>ann</cas:user>"
    )
    assert parse_service_response(reply).attributes == {"memberOf": ("a", "b"), "mail": ("m",)}


def test_legacy_attribute_elements_beside_the_block_are_ignored():
    reply = signed_on('<cas:user>ann</cas:user><cas:attributes/><cas:attribute name="memberOf" value="admins"/>')
    assert parse_service_response(reply).attributes == {}


def test_attributes_of_another_namespace_are_ignored():
    reply = signed_on('<cas:user>ann</cas:user><cas:attributes><x:memberOf xmlns:x="urn:other">admins</x:memberOf></cas:attributes>')
    assert parse_service_response(reply).attributes == {}


def test_space_and_comments_between_elements_mean_nothing():
    reply = response("\n <!-- p3 -->\n <cas:authenticationSuccess> <cas:user> ann </cas:user> </cas:authenticationSuccess>\n")
    assert parse_service_response(reply) == CasUser("ann", {})


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (signed_on("<cas:user>ann</cas:user><cas:user>ben</cas:user>"), "2 <user> elements"),
        (signed_on("<cas:attributes/>"), "0 <user> elements"),
        (signed_on("<cas:user>  </cas:user>"), "names nobody"),
        (signed_on("<cas:user>ann<cas:b/>ben</cas:user>"), "nests elements"),
        (signed_on("<cas:user>ann<!-- -->ben</cas:user>"), "nests elements"),
        (signed_on("<cas:user>ann<?x y?>ben</cas:user>"), "nests elements"),
        (response("<cas:authenticationSuccess><cas:user>ann</cas:user></cas:authenticationSuccess>" * 2), "2 answers"),
        (
            response(
                "<cas:authenticationFailure code='INVALID_TICKET'/>"
                "<cas:authenticationSuccess><cas:user>ann</cas:user></cas:authenticationSuccess>"
            ),
            "2 answers",
        ),
        (response(""), "0 answers"),
        (response("<cas:proxySuccess/>"), "neither a success nor a failure"),
        (success("ann").replace(NAMESPACE.encode(), b"urn:other"), "not a CAS serviceResponse"),
        (
            b"<serviceResponse><authenticationSuccess><user>ann</user></authenticationSuccess></serviceResponse>",
            "not a CAS serviceResponse",
        ),
        (b"<html><body>yes\nann\n</body></html>", "not a CAS serviceResponse"),
        (b"yes\nann\n", "not plain XML"),
        (b"", "not plain XML"),
        (success("ann")[:-5], "not plain XML"),
        (b"\xff\xfe\x00\x01" * 9, "not plain XML"),
        (b'<?xml version="1.0" encoding="klingon"?>' + success("ann"), "not plain XML"),
        (b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + success("&x;").replace(b"&amp;", b"&"), "not plain XML"),
        (b"<!DOCTYPE a>" + success("ann"), "not plain XML"),
        (b" " * (MAX_REPLY_BYTES + 1), "longer than 256 KiB"),
    ],
)
def test_reply_that_is_not_exactly_one_user_signs_nobody_on(reply: bytes, words: str):
    with pytest.raises(MalformedReply, match=words):
        parse_service_response(reply)


def test_entity_bomb_is_refused_before_it_grows():
    bomb = '<!DOCTYPE b [<!ENTITY a "aaaaaaaaaa">' + "".join(
        f'<!ENTITY {n} "{("&" + p + ";") * 10}">' for p, n in zip("abcdefgh", "bcdefghi", strict=True)
    )
    with pytest.raises(MalformedReply, match="not plain XML"):
        parse_service_response((bomb + "]>").encode() + success("&i;").replace(b"&amp;", b"&"))


@pytest.mark.parametrize("code", [*FAILURES, "SOMETHING_NEW", "", f"INVALID_TICKET {SECRETS[0]}"])
@pytest.mark.parametrize("echoed", SECRETS)
def test_refusal_never_repeats_what_the_server_said(code: str, echoed: str):
    with pytest.raises(TicketRefused) as raised:
        parse_service_response(failure(code, f"Ticket '{echoed}' not recognised"))
    assert raised.value.code == (code if code in FAILURES else "UNKNOWN")
    assert echoed not in str(raised.value)
    assert "ST-" not in str(raised.value)


@given(st.binary(max_size=400))
def test_no_bytes_make_anything_but_a_cas_error(body: bytes):
    with pytest.raises(CASError):
        parse_service_response(body)


@given(st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"]), min_size=1).filter(lambda name: name.strip() == name))
def test_every_name_comes_out_as_it_went_in(name: str):
    assert parse_service_response(success(name)).name == name


def test_first_refuses_to_choose_between_two_values():
    user = CasUser("ann", {"uidNumber": ("1001", "1002"), "gidNumber": ("1001", "1001")})
    assert user.first("gidNumber") == "1001"
    assert user.first("absent") is None
    assert user.first(None) is None
    with pytest.raises(MalformedReply, match="2 values of 'uidNumber'"):
        user.first("uidNumber")


@pytest.mark.parametrize("ticket", ["ST-1-abc", "ST-1956-aA9.b_C~d-cas01.example.org", "ST-" + "x" * 253])
def test_service_tickets_are_recognised(ticket: str):
    assert is_service_ticket(ticket)


@pytest.mark.parametrize(
    "ticket", ["", "ST-", "PT-1-abc", "PGT-1-abc", "st-1-abc", "ST-1 2", "ST-1\n", "ST-1&x=2", "ST-<b>", "ST-é", "ST-" + "x" * 254]
)
def test_what_is_no_service_ticket_is_not_sent_to_the_server(ticket: str):
    assert not is_service_ticket(ticket)


def test_logout_request_names_its_session():
    assert parse_logout_request(logout_request("ST-1-abc").encode()) == "ST-1-abc"


@pytest.mark.parametrize(
    "request_body",
    [
        b"",
        b"<a/>",
        b'<samlp:LogoutRequest xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol"/>',
        logout_request("").encode(),
        logout_request("ST-1")
        .replace("</samlp:SessionIndex>", "</samlp:SessionIndex><samlp:SessionIndex>ST-2</samlp:SessionIndex>")
        .encode(),
        logout_request("ST-1").replace("SAML:2.0:protocol", "SAML:1.0:protocol").encode(),
        b"<!DOCTYPE a>" + logout_request("ST-1").encode(),
        b" " * (MAX_LOGOUT_BYTES + 1),
    ],
)
def test_malformed_logout_request_is_refused(request_body: bytes):
    with pytest.raises(MalformedReply):
        parse_logout_request(request_body)
