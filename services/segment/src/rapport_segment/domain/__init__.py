"""What a segment is: rules, facts about a person, and who enters or leaves. No I/O, no clock."""
