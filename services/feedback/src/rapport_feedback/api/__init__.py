"""The HTTP side of feedback: routes for staff and pages for customers."""
