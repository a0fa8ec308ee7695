"""Scores of people that models publish on `profile.scores`, for who keeps them."""
