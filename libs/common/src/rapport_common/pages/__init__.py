"""The pages that customers see: one look, in their language, with the brand of the workspace."""
