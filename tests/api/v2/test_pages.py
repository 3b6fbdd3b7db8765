"""Pages of a list, and jobs: links in headers are followed within the origin of the base URL only."""

from __future__ import annotations

import time
import tracemalloc
from contextlib import ExitStack, suppress
from urllib.parse import parse_qsl, urlsplit

import pytest

from airflow_provider_360learning.api.links import MAX_HEADER, next_link
from airflow_provider_360learning.api.pages import Page, all_items, each_page, read_pages
from airflow_provider_360learning.api.types import Call, StatusAndBody
from airflow_provider_360learning.exceptions import (
    InvalidRequestError,
    OutcomeUnknownError,
    ResponseTooLargeError,
    UnexpectedResponseError,
)
from tests.api.support import Response, TinyServer, with_token

USERS = Call("getUsers", query={"mail[in]": ["a@b.test", "c+d@b.test"], "status[eq]": "active"})
JOB = Call("addUsersToGroups", body={"input": [{"groupId": "1", "userId": "2", "role": "learner"}]})
JOB_ID = "507f1f77bcf86cd799439011"
FIRST = "/api/v2/users?mail[in][0]=a%40b.test&mail[in][1]=c%2Bd%40b.test&status[eq]=active"
NEXT = "/api/v2/users?next=abc%5B1&mail[in][0]=a%40b.test"


@pytest.fixture
def serve(make_api):
    """Return a function that starts a server, and returns a client of it, and the server."""
    with ExitStack() as running:

        def start(respond, *, max_attempts=1, **settings):
            server = running.enter_context(TinyServer(with_token(respond)))
            return make_api(server.url, client={"max_attempts": max_attempts}, **settings).client, server

        yield start


def two_pages(header):
    """Return a responder whose first page links to the second one."""

    def respond(request):
        if "next=" in request.target:
            return Response([{"_id": "2"}])
        link = header.replace("{base}", f"http://{request.headers['Host']}")
        return Response([{"_id": "1"}], headers={"Link": link})

    return respond


def targets(server):
    return [request.target for request in server.requests if not request.target.endswith("/oauth2/token")]


@pytest.mark.parametrize(
    "header",
    [
        f'<{NEXT}>; rel="next"',
        f'<{{base}}{NEXT}>; rel="next"',
        f"<{NEXT[len('/api/v2/') :]}>; rel=next",
        f"<{NEXT[1:]}>; rel=next",
        f"<{NEXT[len('/api/v2/users') :]}>;rel=next",
        f'</api/v2/users?next=other>; rel="prev", <{NEXT}>; rel="next"',
        f'<{NEXT}>; title="a, <b>; rel=prev \\" c"; rel="last  NEXT"; rel=prev',
        f'<{NEXT}> ; REL = "Next" ; ext',
        f",, <{NEXT}>; rel=next ,",
        f"<{NEXT}>; rel=next, <{NEXT}>; rel=next",
    ],
)
def test_follows_the_link_to_the_next_page_as_it_is(serve, header):
    client, server = serve(two_pages(header))
    assert client.run(all_items(USERS)) == [{"_id": "1"}, {"_id": "2"}]
    assert targets(server) == [FIRST, NEXT]
    _, first, second = server.requests
    assert first.headers["360-api-version"] == second.headers["360-api-version"] == "v2.0"
    assert first.headers["Authorization"] == second.headers["Authorization"]


@pytest.mark.parametrize(
    "header", ["", ",", '<{base}/api/v2/users?next=0>; rel="prev"', "</api/v2/users?next=0>; title=next"]
)
def test_a_list_without_a_link_to_a_next_page_has_ended(serve, header):
    client, server = serve(two_pages(header))
    assert client.run(all_items(USERS)) == [{"_id": "1"}]
    assert targets(server) == [FIRST]


FOREIGN = [
    "https://elsewhere.test/api/v2/users?next=1",
    "http://127.0.0.1:9/api/v2/users?next=1",
    "//elsewhere.test/api/v2/users?next=1",
    "http://user@{host}/api/v2/users?next=1",
    "http://{host}.elsewhere.test/api/v2/users?next=1",
    "https://{host}/api/v2/users?next=1",
    "http:\\\\elsewhere.test/users?next=1",
    "http://elsewhere.test\\@{host}/users?next=1",
    "javascript:alert(1)",
]


@pytest.mark.parametrize("link", FOREIGN)
def test_no_request_leaves_the_origin_of_the_base_url(serve, link):
    client, server = serve(
        lambda request: Response([], headers={"Link": f"<{link.format(host=request.headers['Host'])}>; rel=next"})
    )
    with pytest.raises(UnexpectedResponseError, match="a link in its headers"):
        client.run(all_items(USERS))
    assert set(targets(server)) == {FIRST}


@pytest.mark.parametrize("link", FOREIGN)
def test_nothing_is_sent_for_a_call_of_a_foreign_link(serve, link):
    client, server = serve(lambda request: Response([]))
    with pytest.raises(UnexpectedResponseError, match="a link in its headers"):
        client.call(Call("getUsers", link=link.format(host=server.url.removeprefix("http://"))))
    assert server.requests == []


def test_only_lists_with_pages_have_links(serve):
    client, server = serve(lambda request: Response({}))
    with pytest.raises(InvalidRequestError, match="deleteUser has no pages"):
        client.call(Call("deleteUser", link="/api/v2/users/1"))
    assert server.requests == []


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        ("/api/v2/users?next=1", "Link header is malformed"),
        ("</api/v2/users?next=1; rel=next", "Link header is malformed"),
        ('</api/v2/users?next=1>; rel="next', "Link header is malformed"),
        ("</api/v2/users?next=1>; rel=next </b>", "Link header is malformed"),
        ("</api/v2/users next=1>; rel=next", "a link in its headers is malformed"),
        (f"</api/v2/users?next={'1' * 33_000}>; rel=next", "a link in its headers is malformed"),
        ("</a?next=1>; rel=next, </a?next=2>; rel=next", "several next pages"),
    ],
)
def test_an_unusable_link_is_not_the_end_of_the_list(serve, header, problem):
    client, server = serve(two_pages(header))
    with pytest.raises(UnexpectedResponseError, match=problem):
        client.run(all_items(USERS))
    assert set(targets(server)) == {FIRST}


@pytest.mark.parametrize("links", [{0: 0}, {0: 1, 1: 1}, {0: 1, 1: 0}, {0: 1, 1: 2, 2: 1}])
@pytest.mark.parametrize("read", ["all_items", "each_page", "read_pages"])
def test_a_page_that_leads_back_ends_the_list_before_an_item_is_returned_twice(serve, links, read):
    def respond(request):
        number = int(request.target.partition("next=")[2] or 0)
        return Response(
            [{"_id": str(number)}],
            headers={"Link": f"<{request.target.partition('?')[0]}?next={links[number]}>; rel=next"},
        )

    client, _ = serve(respond)
    call, taken = Call("getUsers", link="/api/v2/users?next=0"), []
    reads = {
        "all_items": lambda: client.run(all_items(call)),
        "each_page": lambda: client.run(each_page(call, taken.extend)),
        "read_pages": lambda: [taken.extend(items) for items in read_pages(client.call, call)],
    }
    with pytest.raises(UnexpectedResponseError, match="leads back to an earlier page"):
        reads[read]()
    assert len(taken) == len({item["_id"] for item in taken})


def test_a_page_that_fails_is_requested_again_alone(serve):
    failures = [Response({}, 503)]

    def respond(request):
        if "next=" in request.target and failures:
            return failures.pop()
        return two_pages(f"<{NEXT}>; rel=next")(request)

    client, server = serve(respond, max_attempts=2)
    assert client.run(all_items(USERS)) == [{"_id": "1"}, {"_id": "2"}]
    assert targets(server) == [FIRST, NEXT, NEXT]


def endless(size):
    def respond(request):
        number = int(request.target.partition("next=")[2] or 0)
        return Response([{"_id": "x" * size}], headers={"Link": f"</api/v2/users?next={number + 1}>; rel=next"})

    return respond


def test_all_pages_together_have_the_maximum_size_of_a_response(serve):
    client, server = serve(endless(300_000), max_response_mib=1)
    with pytest.raises(ResponseTooLargeError, match="together with the pages before it, larger than 1 MiB"):
        client.run(all_items(Call("getUsers")))
    assert len(targets(server)) == 4


def test_one_page_is_in_memory_at_a_time():
    def run(steps, pages):
        next(steps)
        for number in range(1, pages):
            steps.send(Page([f"{number:0100000}"], f"/api/v2/users?next={number}"))
        with pytest.raises(StopIteration):
            steps.send(Page([], None))

    tracemalloc.start()
    try:
        run(each_page(Call("getUsers"), lambda items: None), 300)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000, "300 pages of 100 kB"


def test_a_hostile_header_is_parsed_quickly():
    started = time.process_time()
    for part in (",", "<", "<>;", "<a>,", '<a>;b="\\', "; rel", "<a>;rel=x;"):
        header = part * (MAX_HEADER // len(part))
        with suppress(UnexpectedResponseError):
            next_link(header, "https://a.test/api/v2/users", "https://a.test", "/api/v2")
    with pytest.raises(UnexpectedResponseError, match="longer than"):
        next_link("," * (MAX_HEADER + 1), "https://a.test/api/v2/users", "https://a.test", "/api/v2")
    assert time.process_time() - started < 2


def test_lists_of_ids_contain_strings(serve):
    pages = [Response([{"_id": "1"}]), Response(["1", "2"])]
    client, _ = serve(lambda request: pages.pop())
    call = Call("getCatalogContentIds", path={"groupId": "1", "contentType": "course"})
    assert client.call(call).items == ["1", "2"]
    with pytest.raises(UnexpectedResponseError, match="expected a list of strings"):
        client.call(call)


def test_the_status_can_be_a_part_of_the_result(serve):
    client, _ = serve(lambda request: Response({"_id": "1"}, 201))
    assert client.call(Call("createUser", with_status=True)) == StatusAndBody(201, {"_id": "1"})


# Bulk jobs


@pytest.mark.parametrize("location", ["{base}/api/v2/bulk/operations/", "/api/v2/bulk/operations/", "../operations/"])
def test_the_result_of_a_submission_is_the_id_of_the_job(serve, location):
    def respond(request):
        base = f"http://{request.headers['Host']}"
        return Response(b"", 202, {"Location": location.format(base=base) + JOB_ID})

    client, server = serve(respond)
    assert client.call(JOB) == JOB_ID
    assert server.requests[-1].json == JOB.body


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Location": ""},
        {"Location": f"https://elsewhere.test/api/v2/bulk/operations/{JOB_ID}"},
        {"Location": f"/api/v2/elsewhere/{JOB_ID}"},
        {"Location": "/api/v2/bulk/operations/"},
        {"Location": f"/api/v2/bulk/operations/{JOB_ID}/results"},
    ],
)
def test_a_job_without_a_usable_location_may_run_and_is_not_submitted_again(serve, headers):
    client, server = serve(lambda request: Response(b"", 202, headers))
    with pytest.raises(OutcomeUnknownError, match=r"Location header|a link in its headers"):
        client.call(JOB)
    assert len(targets(server)) == 1


# Queries


def test_a_filter_by_an_empty_list_would_select_everything(serve):
    client, server = serve(lambda request: Response([]))
    with pytest.raises(InvalidRequestError, match=r"mail\[in\] is an empty list"):
        client.call(Call("getUsers", query={"mail[in]": []}))
    assert server.requests == []


@pytest.mark.parametrize("value", ["a&status[eq]=x", "a=b", "a]=b", "é ü", "100%", "a+b", "#?/"])
def test_values_of_filters_cannot_become_other_parameters(serve, value):
    client, server = serve(lambda request: Response([]))
    client.call(Call("getUsers", query={"mail[eq]": value}))
    assert parse_qsl(urlsplit(targets(server)[0]).query) == [("mail[eq]", value)]
