"""What a text says, read by pure functions: its form, language, mood, phrases, and who is named."""

import unicodedata
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from services.feedback.tests.text_support import DELIVERY, knowledge, mood, words

from rapport_common.testing.examples import examples
from rapport_feedback.domain.texts.enriching import Taught, by_rules, enriched
from rapport_feedback.domain.texts.languages import language_of
from rapport_feedback.domain.texts.looking import MOST, look, sentences
from rapport_feedback.domain.texts.phrases import key_phrases
from rapport_feedback.domain.texts.redaction import redacted
from rapport_feedback.domain.texts.resemblance import ALIKE, bands, likeness, signature

NOTHING = Taught({}, {})


@given(st.text("a\u0301e\ufb01\uff21\u5feb .\U0001f44d", max_size=30))
@settings(max_examples=examples(300))
def test_every_part_of_the_looked_at_text_is_somewhere_in_what_was_written(written: str) -> None:
    looked = look(written)
    assert len(looked.origins) == len(looked.text) + 1
    assert list(looked.origins) == sorted(looked.origins)
    for index in range(len(looked.text)):
        start, end = looked.place(index, index + 1)
        assert start >= 0
        assert end <= len(written)
    if looked.text:
        assert looked.place(0, len(looked.text)).start == 0


def test_full_width_letters_and_composed_accents_are_looked_at_as_one() -> None:
    written = "Ｇｏｏｄ cafe\u0301 ﬁne"
    looked = look(written)
    assert looked.text == "Good café fine"
    start, end = looked.place(looked.text.index("café"), looked.text.index("café") + 4)
    assert unicodedata.normalize("NFC", written[start:end]) == "café"
    assert [one.small for one in words("Don’t 快递 👍")] == ["don't", "快递", "👍"]


def test_what_is_very_long_is_cut_off_and_says_so() -> None:
    found = enriched("good " * 200_000, knowledge(), NOTHING)
    assert found.cut_off
    assert len(found.redacted) == MOST
    assert not enriched("good", knowledge(), NOTHING).cut_off


def test_sentences_end_with_signs_of_any_script() -> None:
    text = "One. 二。 Three?!\n"
    assert [text[one.start : one.end].strip() for one in sentences(text)] == ["One", "二", "Three"]


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The delivery was late and nobody called me back.", "en"),
        ("Die Lieferung kam zu spät und niemand hat mich zurückgerufen.", "de"),
        ("La livraison était en retard et personne ne m'a rappelé.", "fr"),
        ("El pedido llegó tarde y nadie me ha llamado.", "es"),
        ("快递太慢了，客服也没有回复", "zh"),
        ("وصل الطلب متأخرا ولم يتصل بي أحد", "ar"),
        ("سفارش دیر رسید و کسی با من تماس نگرفت", "other"),
        ("配達が遅れて、誰も電話をくれませんでした", "other"),
        ("Доставка опоздала, и никто не перезвонил", "other"),
        ("La consegna è arrivata in ritardo e non ho ricevuto niente", "other"),
        ("10/10 👍", "und"),
        ("k", "und"),
        ("Xqzt Brrr", "und"),
        ("Schöß", "de"),
    ],
)
def test_a_language_is_known_by_script_and_small_words(text: str, language: str) -> None:
    found = language_of(text)
    assert found.language == language
    assert 0 <= found.sure <= 1


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("The staff was friendly", "positive"),
        ("The staff was not friendly", "negative"),
        ("It was not bad at all", "positive"),
        ("The food was great, but the service was awful and the waiter was rude", "negative"),
        ("The service was awful, but the food was great and I love the wine", "positive"),
        ("I received it on Monday", "neutral"),
        ("It stopped working. Total waste of money", "negative"),
        ("no problems", "positive"),
        ("👍", "positive"),
        ("😡", "negative"),
        ("It has a warranty. No, good it is", "positive"),
    ],
)
def test_english_moods(text: str, label: str) -> None:
    assert mood(text).label == label


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("质量很好，客服很热情", "positive"),
        ("质量不好", "negative"),
        ("没有想象中的那么漂亮", "negative"),
        ("房间很干净，但是服务态度太差了", "negative"),
        ("服务一般，但是房间非常干净舒适", "positive"),
        ("昨天收到", "neutral"),
    ],
)
def test_chinese_moods(text: str, label: str) -> None:
    assert mood(text, "zh").label == label


def test_what_stands_before_a_word_changes_it_and_is_shown_with_it() -> None:
    plain, more, less = (mood(f"It is {one}good").score for one in ("", "very ", "slightly "))
    assert less < plain < more
    assert mood("It is GOOD and small").score > mood("It is good and small").score
    assert mood("It is good!!!!").score == mood("It is good!!!!!!!!").score > plain
    [carried] = mood("It was not very good").carried
    assert (carried.word, carried.weight < 0) == ("not very good", True)
    # A comma ends what a word can do, and who denies twice does not.
    assert mood("Not today, good").label == "positive"
    assert mood("I never saw nothing good").label == "positive"
    assert mood("Pretty awful").label == "negative"
    assert mood("It is pretty").label == "positive"
    assert mood("really").label == "neutral"


@given(
    st.lists(
        st.sampled_from(
            ["good", "bad", "not", "very", "but", ",", "!", "😡", "slow", "GREAT", "the"]
        ),
        max_size=30,
    )
)
@settings(max_examples=examples(200))
def test_a_mood_is_between_minus_one_and_one_and_nothing_without_words(
    parts: Sequence[str],
) -> None:
    found = mood(" ".join(parts))
    assert -1 < found.score < 1
    if not found.carried:
        assert found.score == 0
    weights = [abs(one.weight) for one in found.carried]
    assert weights == sorted(weights, reverse=True)


def test_phrases_are_runs_between_small_words() -> None:
    text = (
        "The battery life is too short, and the battery life gets worse. A very long row of words"
    )
    found = key_phrases(text.casefold(), words(text), "en")
    assert "battery life" in found
    assert all("the" not in one.split() for one in found)
    long = "alpha beta gamma delta epsilon " + "x" * 50
    assert key_phrases(long, words(long), "en") == ["alpha beta gamma delta", "epsilon"]
    assert "快递" in " ".join(
        key_phrases("快递太慢，快递员不好", words("快递太慢，快递员不好"), "zh")
    )
    assert key_phrases("", [], "en") == []


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("Write to ann.b+c@mail.example.com.", "Write to [email]."),
        ("邮箱ann@mail.example.com谢谢", "邮箱[email]谢谢"),
        ("Call +49 30 901820 or 020-7946-0958", "Call [phone] or [phone]"),
        ("Ring 0301234567 today", "Ring [phone] today"),
        ("我的电话13812345678", "我的电话[phone]"),
        ("Card 4111 1111 1111 1111 please", "Card [card] please"),
        ("Card 4111 1111 1111 1112 please", "Card 4111 1111 1111 1112 please"),
        ("Number 0000 0000 0000 0000", "Number 0000 0000 0000 0000"),
        ("To GB82 WEST 1234 5698 7654 32 now", "To [iban] now"),
        ("To GB82WEST12345698765433 now", "To GB82WEST12345698765433 now"),
        ("Part AB12 cd 34 ef 56", "Part AB12 cd 34 ef 56"),
        ("证件11010519491231002X谢谢", "证件[id]谢谢"),
        ("证件110105194912310021", "证件110105194912310021"),
        ("证件110105194913310021", "证件110105194913310021"),
        (
            "See https://shop.example.com/o?id=7&m=ann now",
            "See https://shop.example.com/o[query] now",
        ),
        ("I live at 12 Baker Street, come by", "I live at [address], come by"),
        ("Ich wohne Lindenstraße 12a in Bonn", "Ich wohne [address] in Bonn"),
        ("住在北京市朝阳区建国路88号", "[address]"),
        (
            "Order 12345678 of 2024-05-01 cost 1.299,00",
            "Order 12345678 of 2024-05-01 cost 1.299,00",
        ),
        ("Nothing", "Nothing"),
    ],
)
def test_who_is_named_is_hidden_and_what_is_not_stays(text: str, hidden: str) -> None:
    found = redacted(text, look(text))
    assert found.text == hidden
    assert [f"[{one.kind}]" in hidden for one in found.personal] == [True] * len(found.personal)


def test_a_chinese_id_with_a_day_that_is_none_is_not_one() -> None:
    first = "11010519491332002"
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    total = sum(int(one) * weight for one, weight in zip(first, weights, strict=True))
    text = first + "10X98765432"[total % 11]
    assert "id" not in {one.kind for one in redacted(text, look(text)).personal}


@given(st.text("ab1 @.,+-()4/:?", max_size=80))
@settings(max_examples=examples(300))
def test_hidden_places_never_meet(text: str) -> None:
    found = redacted(text, look(text)).personal
    ends = [0]
    for one in found:
        assert ends[-1] <= one.place.start < one.place.end <= len(text)
        ends.append(one.place.end)


def test_what_names_somebody_is_no_phrase_and_teaches_nothing() -> None:
    text = "The invoice went to ann.miller@mail.example.com, 12 Baker Street"
    found = enriched(text, knowledge(), NOTHING)
    assert not any(part in " ".join(found.phrases) for part in ("ann", "miller", "baker"))
    assert "invoice" in " ".join(found.phrases)


def test_texts_that_differ_in_a_word_are_alike_and_others_are_not() -> None:
    long = "My parcel was left in the rain by the driver and everything in it was wet"
    one, near = signature(words(long)), signature(words(long.replace("rain", "snow")))
    far = signature(words("Thank you for the quick answer, all of my questions are settled now"))
    assert likeness(one, near) >= ALIKE > likeness(one, far)
    assert set(bands(one)) & set(bands(near))
    assert not set(bands(one)) & set(bands(far))
    assert signature(words("Very good")) == ()
    chinese = "快递员把包裹放在雨里，里面的东西全都湿了，客服不理人"
    other = chinese.replace("湿了", "坏了")
    assert likeness(signature(words(chinese)), signature(words(other))) >= ALIKE


def test_a_text_without_a_lexicon_has_no_mood_rather_than_a_guess() -> None:
    found = enriched("Die Lieferung war leider sehr langsam", knowledge(), NOTHING)
    assert (found.language, found.sentiment, found.label, found.words) == ("de", None, None, ())


def test_rules_give_the_words_that_spoke_for_a_topic() -> None:
    taught = Taught({"delivery": DELIVERY}, {})
    [topic] = enriched("Delivery was slow", knowledge(), taught).topics
    assert (topic.by, topic.because, topic.places) == ("rules", ("delivery",), ((0, 8),))
    assert by_rules("Delivery was slow", knowledge(), "en", taught) == {"delivery"}
    assert by_rules("Nothing", knowledge(), "en", taught) == frozenset()
