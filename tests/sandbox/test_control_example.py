"""The calls of the sandbox's control client that docs/sandbox.md quotes."""

from airflow_provider_360learning.sandbox.control import SandboxControl


def steer(control_url: str) -> None:
    control = SandboxControl(control_url)  # http://127.0.0.1:3600/_sandbox/<token>, as printed at the start
    control.accept_invitation("linus.pauling@acme.test")  # he has an account now
    control.advance(3600)  # an hour later: learners have progressed, and tokens have expired
    control.add_fault("updateUser", kind="drop_after")  # the next update is done, but its response is lost
    control.settings(limits={"company_writes": 1})  # one write per second instead of five
    print([entry["operation"] for entry in control.journal()])  # all requests that arrived


def test_a_running_sandbox_is_steered_by_its_url(sandbox, capsys):
    steer(sandbox.control_url)
    assert "linus.pauling@acme.test" in [user["mail"] for user in sandbox.control.state()["users"]]
    assert sandbox.control.settings()["limits"] == {"company_writes": 1}
    assert capsys.readouterr().out == "[]\n"
