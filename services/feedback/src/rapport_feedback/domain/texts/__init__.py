"""What a text says: its language, mood, topics, phrases, and what of it names somebody. Pure."""
