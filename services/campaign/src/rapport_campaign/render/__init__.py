"""From a campaign and a person to the bytes of a mail."""
