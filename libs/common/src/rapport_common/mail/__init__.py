"""Mails as they come in: read whatever they are, taken by a server or out of a mailbox."""
