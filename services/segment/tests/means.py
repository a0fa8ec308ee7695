"""What webhooks have in tests: a key, and a network of their own."""

from rapport_common.outside.addresses import networks
from rapport_common.outside.sealing import Sealer
from rapport_common.testing.credentials import WEBHOOK_KEY
from rapport_common.webhooks.handlers import Means
from rapport_segment.domain.secret_keys import SecretKeys, place_of

MEANS = Means(Sealer(SecretKeys((WEBHOOK_KEY,)), place_of), networks("127.0.0.0/8"))
