"""What every service does when somebody asks what is known of them."""
