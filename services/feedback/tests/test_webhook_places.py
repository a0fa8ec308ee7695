"""Where the secret of a webhook belongs: sealed for one place, it opens nowhere else."""

from uuid import UUID

from rapport_feedback.domain.webhook_keys import place_of


def test_a_secret_belongs_to_one_webhook_of_one_workspace() -> None:
    assert place_of("acme", UUID(int=1)) == f"acme/webhook/{UUID(int=1)}"
    assert place_of("acme", UUID(int=1)) != place_of("acme", UUID(int=2))
    assert place_of("acme", UUID(int=1)) != place_of("other", UUID(int=1))
