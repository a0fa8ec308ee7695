"""How long a workspace keeps which class of data in a service: rules as data, and who enforces."""
