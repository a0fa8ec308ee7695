"""What a workspace declares of itself: rules that can't be say where."""


class RulesError(ValueError):
    """Rules that can't be; `where` names the part."""

    def __init__(self, where: str, message: str) -> None:
        super().__init__(message)
        self.where = where
