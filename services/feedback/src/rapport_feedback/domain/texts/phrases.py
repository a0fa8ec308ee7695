"""What a text is about, in its own words: RAKE (Rose et al. 2010).

Runs of words between small words and signs are candidates; a word weighs by how many others it
stands with against how often it stands, a phrase by its words.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from rapport_feedback.domain.texts.language_marks import COMMON
from rapport_feedback.domain.texts.looking import Token


def _words(given: str) -> list[str]:
    return given.split()


LONGEST = 4
MOST = 8
WIDEST = 40
"""Characters of a word."""

_SMALL_CHINESE = frozenset(
    _words(
        "的 了 是 在 我 有 和 就 不 人 都 一 一个 上 也 很 到 说 要 去 你 会 着 没有 看 好 "
        "自己 这 那 他 她 它 们 我们 你们 他们 这个 那个 这些 那些 吗 吧 啊 呢 哦 呀 嘛 把 "
        "被 让 给 对 从 跟 与 及 或 而 但 但是 可是 不过 因为 所以 如果 虽然 还 还是 又 再 "
        "才 只 只是 太 非常 比较 真 真的 最 更 已经 可以 能 可能 应该 什么 怎么 为什么 多 "
        "少 里 后 前 时候 时 地 得 过 来 没 用 做 想 知道 觉得 感觉 是否 之 其 等 个 次 点 "
        "有点 一点 一下 就是 不是 现在 今天 昨天"
    )
)


def key_phrases(text: str, words: Sequence[Token], language: str) -> list[str]:
    """The phrases that weigh most, the heaviest first, in small letters."""
    small = _SMALL_CHINESE if language == "zh" else COMMON.get(language, frozenset())
    runs = list(_runs(text, words, small))
    degrees: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for run in runs:
        for one in run:
            degrees[one.small] += len(run)
            counts[one.small] += 1
    weights: dict[str, float] = {}
    for run in runs:
        phrase = text[run[0].start : run[-1].end].casefold()
        weights[phrase] = sum(degrees[one.small] / counts[one.small] for one in run)
    return sorted(weights, key=lambda one: (-weights[one], one))[:MOST]


def _runs(text: str, words: Sequence[Token], small: frozenset[str]) -> Iterator[list[Token]]:
    run: list[Token] = []
    for one in words:
        between = text[run[-1].end : one.start] if run else ""
        if run and (between.strip() or len(run) == LONGEST):
            yield run
            run = []
        if one.small in small or not one.small[0].isalpha() or not 1 < len(one.small) <= WIDEST:
            if run:
                yield run
            run = []
        else:
            run.append(one)
    if run:
        yield run
