"""Who gets which message, and what became of it: pure functions and frozen types."""
