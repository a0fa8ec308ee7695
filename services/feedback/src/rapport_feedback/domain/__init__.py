"""The rules of surveys and complaints: pure functions and frozen types."""
