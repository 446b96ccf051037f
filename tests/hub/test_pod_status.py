"""What a pod's status and events say, each as the sentence that its owner reads."""

from typing import Any

import pytest
from bowerbird_config.pod_settings import PodSettings
from bowerbird_hub.runtimes import pod_status


def pod(state: dict[str, Any] | None = None, last: dict[str, Any] | None = None, restarts: int = 0, **status: Any) -> dict[str, Any]:
    containers = [
        {"name": "beside", "restartCount": 9, "state": {"terminated": {"exitCode": 1}}},
        {"name": "notebook", "restartCount": restarts, "state": state or {}, "lastState": last or {}},
    ]
    return {"metadata": {"name": "server-ann"}, "status": {"phase": "Pending", "containerStatuses": containers, **status}}


def waiting(reason: str, message: str | None = None) -> dict[str, Any]:
    return {"waiting": {"reason": reason, "message": message}}


@pytest.mark.parametrize(
    "state", [None, {"running": {}}, waiting("ContainerCreating"), waiting("PodInitializing"), waiting("ErrImagePull")]
)
def test_pod_that_may_still_come_up_is_in_no_trouble(state: dict[str, Any] | None) -> None:
    assert pod_status.trouble(pod(state), "base:1") is None
    assert pod_status.trouble({"status": {"phase": "Pending"}}, "base:1") is None
    assert pod_status.trouble({"status": {"phase": "Pending", "containerStatuses": None}}, "base:1") is None


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (pod(waiting("ErrImageNeverPull")), "The image base:1 of this profile's environment cannot be fetched (ErrImageNeverPull). "),
        (pod(waiting("CreateContainerConfigError", "no\nsecret.")), "Your server cannot be started on its node (no secret). "),
        (pod({"terminated": {"exitCode": 0}}), "Your server ended while it was starting."),
        (pod(phase="Failed", reason="Evicted", message="The node was low on memory."), "ended by its node (The node was low on memory)."),
        (pod(phase="Failed", reason="NodeLost"), "Your server was ended by its node (NodeLost)."),
    ],
)
def test_pod_that_will_not_come_up_says_why(found: dict[str, Any], words: str) -> None:
    trouble = pod_status.trouble(found, "base:1")
    assert trouble is not None
    assert words in trouble.words


def event(reason: str, message: str = "") -> dict[str, Any]:
    return {"reason": reason, "message": message}


FAILED_MOUNT = 'MountVolume.SetUp failed for volume "volume" : rpc error: code = Unavailable desc = the store does not answer'


@pytest.mark.parametrize(
    ("found", "events", "words"),
    [
        (None, [], "The cluster made no pod of it."),
        (
            pod(conditions=[{"type": "Ready", "status": "False"}, {"type": "PodScheduled", "status": "False", "message": "0/2 nodes."}]),
            [],
            "No node of the cluster has room for it: 0/2 nodes.",
        ),
        (
            pod(waiting("ContainerCreating")),
            [event("FailedMount", FAILED_MOUNT)],
            "Your data could not be mounted: the store does not answer.",
        ),
        (pod(waiting("ContainerCreating")), [event("Pulling")], "Its environment was still being fetched"),
        (pod(waiting("ErrImagePull")), [event("Pulling")], "Its environment was still being fetched"),
        (pod({"running": {}}), [event("Pulling"), event("Pulled")], "It did not say why."),
    ],
)
def test_pod_that_is_late_says_what_it_waited_for(found: dict[str, Any] | None, events: list[dict[str, Any]], words: str) -> None:
    assert words in pod_status.waiting_for(found, events)


def test_events_are_steps_in_words() -> None:
    reasons = ("FailedScheduling", "Scheduled", "FailedMount", "Pulling", "Failed", "Pulled", "Started")
    steps = [pod_status.told_of(event(reason, FAILED_MOUNT)) for reason in reasons]
    percents = [step[0] for step in steps if step is not None]
    assert len(percents) == len(reasons)
    assert percents == sorted(percents)
    assert all(40 < percent < 60 for percent in percents)
    assert steps[2] == (45, "Waiting for your data to be mounted: the store does not answer")
    assert pod_status.told_of(event("Created")) is None
    assert pod_status.told_of({"reason": None, "message": None}) is None


def test_long_message_is_cut() -> None:
    step = pod_status.told_of(event("Failed", "x" * 5000))
    assert step is not None
    assert len(step[1]) < 250


@pytest.mark.parametrize(
    ("last", "words"),
    [
        ({"terminated": {"reason": "OOMKilled", "exitCode": 137}}, "Your server reached its memory limit of 1 GiB, was ended"),
        ({"terminated": {"reason": "Error", "exitCode": 3}}, "Your server stopped by itself with status 3, was ended"),
        ({"terminated": {"reason": "Unknown", "exitCode": 255}}, "Your server ended when its node went off and has been started again"),
        ({}, "Your server stopped by itself, was ended"),
    ],
)
def test_end_from_which_a_server_came_back_is_told_once(last: dict[str, Any], words: str) -> None:
    found = pod_status.end(pod({"running": {}}, last, restarts=2), 1, "1 GiB")
    assert found is not None
    assert found.restarts == 2
    assert found.words.startswith(words)
    assert pod_status.end(pod({"running": {}}, last, restarts=2), 2, "1 GiB") is None


MARKED = [{"type": "Ready", "status": "False"}, {"type": "ContainersReady", "status": "True"}]


@pytest.mark.parametrize(
    ("conditions", "lost"),
    [
        (MARKED, True),
        (None, False),
        ([{"type": "Ready", "status": "True"}, {"type": "ContainersReady", "status": "True"}], False),
        ([{"type": "Ready", "status": "False"}, {"type": "ContainersReady", "status": "False"}], False),
    ],
)
def test_node_is_lost_where_the_control_plane_alone_calls_the_pod_not_ready(conditions: Any, lost: bool) -> None:
    assert pod_status.lost(pod(phase="Running", conditions=conditions)) is lost


OWN = PodSettings(namespace="users", hub_url="http://hub", driver="data.example.org", images={"lab": "lab:1"})
LEASED = {OWN.label("lease"): "1"}
UNFENCED = "can be started elsewhere as soon as the admins have declared that node out of service"
SHARED = OWN.model_copy(update={"shared_storage": True})


@pytest.mark.parametrize(
    ("settings", "annotations", "leased", "words"),
    [
        (SHARED, LEASED, "uid-1", "stop the server and start it again, and it comes up on another node, without what ran in it"),
        # Nothing would tell the node of one that was started, or whose data were shown, before there were leases.
        (SHARED, {}, "uid-1", UNFENCED),
        (SHARED, LEASED, "", UNFENCED),
        (SHARED, LEASED, "uid-0", UNFENCED),
        (SHARED, None, "uid-1", UNFENCED),
        (OWN, LEASED, "uid-1", "are on that node, so the server cannot be started elsewhere"),
    ],
)
def test_start_elsewhere_is_offered_where_other_nodes_reach_the_storage_and_the_lost_one_finds_the_lease_taken(
    settings: PodSettings, annotations: dict[str, str] | None, leased: str, words: str
) -> None:
    about = {"uid": "uid-1", "annotations": annotations}
    found = pod(phase="Running", conditions=MARKED) | {"spec": {"nodeName": "node2"}, "metadata": about}
    said = pod_status.of_lost(found, settings, leased)
    assert said.startswith("Your server's node node2 does not answer the cluster: ")
    assert words in said
    assert pod_status.may_be_left(found, settings, leased) is ("stop the server" in said)
