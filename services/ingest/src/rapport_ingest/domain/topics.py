"""Patterns of MQTT topics with named levels: `shops/{store}/devices/{device}/+`."""

import re

_NAMED = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
MAX_TOPIC_BYTES = 65_535


class TopicPattern:
    """A topic filter of MQTT 5, section 4.7, whose levels may have a name in place of a `+`.

    ValueError for one that no broker would take.
    """

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        levels = pattern.split("/")
        found = [_NAMED.fullmatch(one) for one in levels]
        names = [one[1] for one in found if one]
        if len(set(names)) != len(names):
            message = f"'{pattern}': a name stands twice"
            raise ValueError(message)
        self._levels = ["+" if one else level for one, level in zip(found, levels, strict=True)]
        self._names = [one[1] if one else None for one in found]
        self._open = self._levels[-1] == "#"
        self._check()

    @property
    def filter(self) -> str:
        """What the broker is asked for."""
        return "/".join(self._levels)

    def match(self, topic: str) -> dict[str, str] | None:
        """The named levels of a topic; None when it is not of this pattern."""
        levels = topic.split("/")
        fixed = self._levels[:-1] if self._open else self._levels
        if len(levels) < len(fixed) or (len(levels) > len(fixed) and not self._open):
            return None
        if topic[:1] == "$" and self._levels[0] in {"+", "#"}:
            return None
        if any(want not in {"+", level} for want, level in zip(fixed, levels, strict=False)):
            return None
        return {name: level for name, level in zip(self._names, levels, strict=False) if name}

    def _check(self) -> None:
        if not self.pattern or len(self.pattern.encode()) > MAX_TOPIC_BYTES or "\0" in self.pattern:
            message = "a topic pattern has 1 to 65,535 bytes and no NUL"
            raise ValueError(message)
        for index, level in enumerate(self._levels):
            last = index == len(self._levels) - 1
            if level not in {"+", "#"} and any(one in level for one in "+#{}"):
                message = f"'{self.pattern}': '{level}' mixes a wildcard or a name with other text"
                raise ValueError(message)
            if level == "#" and not last:
                message = f"'{self.pattern}': # may only be the last level"
                raise ValueError(message)
