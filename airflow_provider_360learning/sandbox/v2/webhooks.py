"""Webhook subscriptions, their events and their secrets. Nothing is delivered, and no URL is requested."""

from __future__ import annotations

from airflow_provider_360learning.sandbox.clock import iso, milliseconds
from airflow_provider_360learning.sandbox.routing import Response
from airflow_provider_360learning.sandbox.state.webhooks import Event, Subscription
from airflow_provider_360learning.sandbox.v2.call import NO_CONTENT, Call, Operations
from airflow_provider_360learning.sandbox.v2.errors import ApiError
from airflow_provider_360learning.sandbox.v2.filters import choices, dates

operations = Operations()

#: The published types of events. The sandbox records some of them.
EVENT_TYPES = (
    "bulk.operation.created",
    "bulk.operation.ended",
    "course.attempt.closed",
    "group.created",
    "group.deleted",
    "group.updated",
    "path.archived",
    "path.created",
    "path.deleted",
    "path.session.added",
    "path.session.removed",
    "path.session.classroom.slot.users.unregistered.full",
    "path.session.classroom.slot.waitlist.closed",
    "path.session.classroom.slot.waitlist.opened",
    "path.session.classroom.slot.waitlist.user.joined",
    "path.session.user.status.updated",
    "path.session.users.enrolled",
    "path.session.users.unenrolled",
    "path.updated",
    "user.activated",
    "user.assessment.corrected",
    "user.certificate.awarded",
    "user.created",
    "user.deleted",
    "user.invited",
    "user.reactivated",
    "user.updated",
    "xapi.started",
    "xapi",
)

_SUBSCRIPTIONS = "/webhooks/subscriptions"
_SUBSCRIPTION = f"{_SUBSCRIPTIONS}/{{subscriptionId}}"
#: Maximum length of the period whose events are sent again (documented: 3 days).
_MAX_RETRIED = 3 * 86_400


@operations.add(
    "createSubscription",
    "POST",
    _SUBSCRIPTIONS,
    scope="webhooks:write",
    bodies=("json",),
    assumes="The form of a URL. Whether it can be reached is a setting.",
)
def create_subscription(call: Call) -> Response:
    """Subscribe to events of one type."""
    call.require("eventType", "name", "url")
    event_type, name, url = call.choice("eventType", EVENT_TYPES) or "", call.text("name") or "", _url(call) or ""
    _refuse_duplicate(call, event_type, url)
    webhooks, maximum = call.state.webhooks, call.settings.max_webhook_subscriptions
    if maximum is not None and len(list(webhooks.of_type(event_type))) >= maximum:
        raise ApiError(400, "subscriptionsLimitReached")
    return Response(_shown(webhooks.subscribe(event_type, name, url)), 201)


@operations.add(
    "getSubscriptions",
    "GET",
    _SUBSCRIPTIONS,
    scope="webhooks:read",
    page_size=2_000,
    filters=(choices("eventType", "eq ne in nin", *EVENT_TYPES),),
)
def get_subscriptions(call: Call) -> Response:
    """List subscriptions."""
    found = [
        each for each in call.state.webhooks.subscriptions.values() if call.conditions.hold(eventType=each.event_type)
    ]
    return call.page(found, _shown)


@operations.add("getSubscription", "GET", _SUBSCRIPTION, scope="webhooks:read")
def get_subscription(call: Call) -> Response:
    """Return one subscription."""
    return Response(_shown(_subscription(call)))


@operations.add("updateSubscription", "PATCH", _SUBSCRIPTION, scope="webhooks:write", bodies=("json",))
def update_subscription(call: Call) -> Response:
    """Change the given fields of a subscription."""
    subscription = _subscription(call)
    name, status, url = call.text("name"), call.choice("status", ("active", "inactive")), _url(call)
    if url is not None and url != subscription.url:
        _refuse_duplicate(call, subscription.event_type, url)
        subscription.url = url
    if name is not None:
        subscription.name = name
    if status is not None:
        subscription.status = "active" if status == "active" else "inactive"
    return Response(_shown(subscription))


@operations.add("deleteSubscription", "DELETE", _SUBSCRIPTION, scope="webhooks:write")
def delete_subscription(call: Call) -> Response:
    """Delete a subscription with its events."""
    del call.state.webhooks.subscriptions[_subscription(call).id]
    return NO_CONTENT


@operations.add(
    "getEvents",
    "GET",
    f"{_SUBSCRIPTION}/events",
    scope="webhooks:read",
    page_size=250,
    filters=(*dates("createdAt"), choices("status", "eq", "delivered", "failed", "pending", "sending")),
    assumes="Recorded are events of users, groups, paths and their sessions, and bulk jobs, except for updates of"
    " paths, enrollments, statuses and certificates. None waits for its delivery.",
)
def get_events(call: Call) -> Response:
    """List the events of a subscription."""
    subscription = _subscription(call)
    status = "failed" if subscription.url in call.settings.unreachable_urls else "delivered"
    events = [
        event
        for event in call.state.webhooks.kept(subscription)
        if call.conditions.hold(createdAt=event.created_at, status=status)
    ]
    return call.page(events, lambda event: {**_event(event), "status": status})


@operations.add(
    "getSigningSecret",
    "GET",
    f"{_SUBSCRIPTION}/secrets",
    scope="webhookSecrets:read",
    assumes="The form of a secret.",
)
def get_signing_secret(call: Call) -> Response:
    """Return the secret of a subscription."""
    return Response({"secret": _subscription(call).secret})


@operations.add("rotateSigningSecret", "POST", f"{_SUBSCRIPTION}/secrets/rotate", scope="webhookSecrets:write")
def rotate_signing_secret(call: Call) -> Response:
    """Give a subscription another secret."""
    subscription = _subscription(call)
    call.state.webhooks.rotate_secret(subscription)
    return Response({"secret": subscription.secret}, 201)


@operations.add(
    "retryEventFailures", "POST", f"{_SUBSCRIPTION}/events/retry-failure", scope="webhooks:write", bodies=("json",)
)
def retry_event_failures(call: Call) -> Response:
    """Send failed events of a period again."""
    return _retry(call)


@operations.add(
    "retryEventSuccesses", "POST", f"{_SUBSCRIPTION}/events/retry-success", scope="webhooks:write", bodies=("json",)
)
def retry_event_successes(call: Call) -> Response:
    """Send delivered events of a period again."""
    return _retry(call)


def _retry(call: Call) -> Response:
    """Accept a period, or refuse. As nothing is sent, nothing changes."""
    call.require("startDate", "endDate")
    start, end = call.date("startDate") or 0.0, call.date("endDate") or 0.0
    subscription = call.state.webhooks.subscriptions.get(call.path["subscriptionId"])
    if subscription is None or subscription.status != "active":
        raise ApiError(404, "activeSubscriptionNotFound")
    if not start < end <= start + _MAX_RETRIED:
        raise ApiError(400, "invalidRetryTimeframe")
    return NO_CONTENT


def _subscription(call: Call) -> Subscription:
    subscription = call.state.webhooks.subscriptions.get(call.path["subscriptionId"])
    if subscription is None:
        raise ApiError(404, "subscriptionNotFound")
    return subscription


def _url(call: Call) -> str | None:
    url = call.text("url")
    if url is not None and (url in call.settings.unreachable_urls or not url.startswith(("https://", "http://"))):
        raise ApiError(400, "urlUnreachable")
    return url


def _refuse_duplicate(call: Call, event_type: str, url: str) -> None:
    if any(each.url == url for each in call.state.webhooks.of_type(event_type)):
        raise ApiError(400, "subscriptionAlreadyExists")


def _shown(subscription: Subscription) -> dict[str, object]:
    return {
        "_id": subscription.id,
        "eventType": subscription.event_type,
        "name": subscription.name,
        "url": subscription.url,
        "status": subscription.status,
    }


def _event(event: Event) -> dict[str, object]:
    data = {name: iso(value) if isinstance(value, float) else value for name, value in event.data.items()}
    payload = {"type": event.type, "timestamp": milliseconds(event.created_at), "data": data}
    return {"_id": event.id, "createdAt": iso(event.created_at), "payload": payload}
