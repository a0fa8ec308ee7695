"""Webhooks out of a service: who wants to hear of what, and the posts that tell it."""
