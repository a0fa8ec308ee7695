"""Who may be one person though no event says so: comparable forms, blocks, scores with reasons."""
