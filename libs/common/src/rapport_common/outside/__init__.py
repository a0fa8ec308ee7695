"""What goes to addresses that somebody else has named: where it may go, and how it is signed."""
