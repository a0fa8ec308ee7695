"""Emoji, which mean the same in any language, weighed by us from -4 to 4."""

from collections.abc import Mapping

_BY_WEIGHT: Mapping[float, str] = {
    2.4: "😍🥰😘❤💖💕💯🤩🥳🎉👏🏆🌟⭐",
    1.8: "😀😃😄😁😆😊🙂😎👍🙌💪😇🤗😋✅✨🌹♥",
    0.8: "😂🤣😉😅🙏👌",
    -1.0: "😕😐🙄😒🤔😬😓😔🥱",
    -1.8: "😞😟😢😥☹🙁😣😖😩😫👎😤💔❌😰",
    -2.6: "😡😠🤬😭🤮🤢💩😱🖕👿",
}
WEIGHTS: Mapping[str, float] = {
    sign: weight for weight, signs in _BY_WEIGHT.items() for sign in signs
}
