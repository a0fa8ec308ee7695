"""The demo: a real shop's purchases and one web shopper, from HTTP to mail and back.

It speaks to the services by HTTP only, like any other client.
"""
