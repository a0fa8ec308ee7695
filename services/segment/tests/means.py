"""What webhooks have in tests: a key, and a network of their own."""

from rapport_common.outside.addresses import networks
from rapport_common.testing.credentials import WEBHOOK_KEY
from rapport_segment.domain.secret_keys import SecretKeys
from rapport_segment.handlers.webhooks import Means

MEANS = Means(SecretKeys((WEBHOOK_KEY,)), networks("127.0.0.0/8"))
