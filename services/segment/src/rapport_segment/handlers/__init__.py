"""The use cases: records of profile.activity, and what operators do with segments."""
