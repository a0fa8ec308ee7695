"""Every SQL statement of the service: `people`, `definitions`, and rules as conditions."""
