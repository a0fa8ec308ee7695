"""What every service does when somebody is to be forgotten, and how it says that it is done."""
