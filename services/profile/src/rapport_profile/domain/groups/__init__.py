"""Groups of people: companies, households, teams, with traits of their own."""
