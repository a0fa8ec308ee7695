"""What is frequent in languages of Latin letters: small words, groups of letters, letters."""

import re
from collections.abc import Mapping


def _words(given: str) -> frozenset[str]:
    return frozenset(given.split())


COMMON: Mapping[str, frozenset[str]] = {
    "en": _words(
        "the of and to a in is it you that was for on are with as i his they be at one have this "
        "from or had by not but what all were we when your can said there an each which she do how "
        "their if will up about out many then them these so some her would make like him into has "
        "my than been who its now did get very good great no yes why i'm it's don't i've you're "
        "can't didn't doesn't isn't wasn't won't that's me our am could should just really never "
        "bad too much more most please thanks thank does am know does where because any only "
        "service quality price delivery product order arrived nice love hello hi okay"
    ),
    "de": _words(
        "der die und in den von zu das mit sich des auf für ist im dem nicht ein eine als auch es "
        "an werden aus er hat dass sie nach wird bei einer um am sind noch wie einem über einen so "
        "zum war haben nur oder aber vor zur bis mehr durch man sein wurde wenn ich du wir ihr mir "
        "dir mich dich uns euch mein dein kein keine sehr gut schlecht alles nichts was wer wo "
        "warum ja nein danke bitte immer wieder schon hier kann habe hatte bin bist leider schnell "
        "super toll diese dieser dieses doch weil gibt muss guten hallo tag geht dann da mal jetzt "
        "lieferung ware bestellung teuer preis ganz zufrieden kunde"
    ),
    "fr": _words(
        "le de un à être et en avoir que pour dans ce il qui ne sur se pas plus par je avec tout "
        "faire son mettre autre on mais nous comme ou si leur y dire elle avant deux même aussi "
        "est les des une la du au aux ces cette mon ma mes ton ta tes sa ses vous tu était sont "
        "c'est j'ai n'est qu'il d'un l'on très bien bon mauvais merci bonjour oui non quoi quel "
        "quelle où pourquoi ça cela suis es ai as sans encore jamais toujours rien trop peu fait "
        "votre notre vos nos livraison colis prix produit service commande salut quand qu'est "
        "d'accord être peut alors comment"
    ),
    "es": _words(
        "de la que el en y a los se del las un por con no una su para es al lo como más o pero sus "
        "le ha me si sin sobre este ya entre cuando todo esta ser son dos también fue había era "
        "muy años hasta desde está mi porque qué sólo han yo hay vez puede todos así nos ni parte "
        "tiene él uno donde bien tiempo mismo ese ahora cada e vida otro después te otros aunque "
        "esa eso hace otra gobierno tan durante siempre día tanto ella tres sí gracias hola bueno "
        "malo buena nada nunca estoy eres soy tengo tu tú cómo cuál quién dónde estás puedo "
        "pedido entrega precio producto servicio llegó envío mal usted buenos días"
    ),
    "it": _words(
        "di che e la il un a è per in una mi sono ho non ti lo ma ha le si no al bene con cosa se "
        "io come da ci questo qui hai sei del tu solo me tutto te più della era gli ne quando una "
        "essere chi perché molto sì grazie anche ciao questa mio sua suo dei nel alla dove stato "
        "cosa sta fatto quello buono tempo sempre mai niente posso nella dal delle degli nostro "
        "vostro loro cos'è qual è può c'è l'ho un'altra così"
    ),
    "pt": _words(
        "de a o que e do da em um para é com não uma os no se na por mais as dos como mas foi ao "
        "ele das tem à seu sua ou ser quando muito há nos já está eu também só pelo pela até isso "
        "ela entre era depois sem mesmo aos ter seus quem nas me esse eles estão você tinha foram "
        "essa num nem suas meu às minha têm numa pelos elas havia seja qual será nós tenho lhe "
        "deles essas esses bom boa obrigado obrigada olá sim estou são"
    ),
    "nl": _words(
        "de van een het en in is dat op te zijn voor met die niet aan er om ook als dan maar bij "
        "uit nog worden door naar heeft hij over ze wordt tot wat ik je was heb mijn geen wel zo "
        "deze kan hun haar veel meer dit u we mij jij jou hebben goed heel slecht ben waar hoe"
    ),
    "sv": _words(
        "och i att det som en på är av för med till den har de inte om ett han men var jag sig "
        "från vi så kan när man hon du din mig dig vad hur mycket bra dålig tack hej ja nej inte "
        "varför också mina min mitt ditt något"
    ),
    "id": _words(
        "yang dan di ini itu dengan untuk tidak dari dalam akan pada juga saya ke karena tersebut "
        "bisa ada mereka lebih kata tahun sudah atau saat oleh menjadi orang ia anda kamu apa aku "
        "sangat baik kita kami adalah"
    ),
    "tr": _words(
        "ve bir bu da de için ile çok ben sen ne o mi mı mu var yok gibi daha ama en kadar olarak "
        "değil evet hayır iyi kötü nasıl teşekkürler benim senin sonra her şey"
    ),
}

# At the beginning, at the end, or in the middle of words.
ENDINGS: Mapping[str, re.Pattern[str]] = {
    "en": re.compile(r"^wh|^kn|^th|ing$|tion$|'s$|ough|ight|ness$|ly$|ould|ed$|ck$|ee|ow"),
    "de": re.compile(r"sch|ung$|^ge.*[et]n?$|lich$|keit$|heit$|^ver|ein|ch$|tz|ie[rl]|ß|en$|pf"),
    "fr": re.compile(
        r"eau|eux$|oi[rtsx]|ez$|tion$|ment$|^qu|^[dljnsmct]'|aux?$|ou[rvi]|[ée]e$|ai[st]"
    ),
    "es": re.compile(r"ci[oó]n$|dad$|mente$|ll|^qu[ei]|[aeo]s$|ado$|ido$|ar$|er$|ir$|ue|ción"),
    "it": re.compile(r"zion|gli|cch|tt[aoei]$|ss[aoei]|[aeiou]re$|^sc|zz|[aei]mo$|ità$"),
    "pt": re.compile(r"ção|ções|nh|lh|[ãõ]|ei[roa]|ou$|agem$|dade$|ç|em$"),
    "nl": re.compile(r"ij|aa|oo|een|uu|sch[^aeiou]?|ig$|en$|lijk|heid$|^ge"),
    "sv": re.compile(r"[åä]|ö|sk|tt$|ar$|or$|igt$|het$"),
    "id": re.compile(r"^me[mn]|^ber|^di|kan$|nya$|an$|^pe"),
    "tr": re.compile(r"[ışğ]|l[ae]r|[dt][ae]n$|yor|m[ae]k$"),
}

LETTERS: Mapping[str, str] = {
    "de": "ßäöü",
    "fr": "êèçœîûâë",
    "es": "ñ¿¡",
    "it": "òù",
    "pt": "ãõ",
    "sv": "åä",
    "tr": "ışğ",
    "pl": "łąęśżźćń",
    "cs": "řěůčžš",
}
