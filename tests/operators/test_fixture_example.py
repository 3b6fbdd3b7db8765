"""The test that docs/sandbox.md quotes."""

from airflow_provider_360learning.operators.users import Learning360CreateUserOperator


def test_ana_is_invited(learning360_sandbox):
    Learning360CreateUserOperator(task_id="invite", mail="ana.roy@acme.test").execute({})
    invitations = learning360_sandbox.control.state()["invitations"]
    assert "ana.roy@acme.test" in [invitation["mail"] for invitation in invitations]
