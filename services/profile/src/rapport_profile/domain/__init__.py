"""Who is who, and what is known of them: pure functions over facts."""
