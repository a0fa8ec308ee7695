"""What is odd about accepted events, and what their source's operator should do about it."""

KEY_IN_BROWSER = "key_in_browser"
IMPLAUSIBLE_TIME = "implausible_time"
PLACEHOLDER = "placeholder_identifier"

ADVICE = {
    KEY_IN_BROWSER: "Browsers send with this key, so everybody can read it; their events are "
    "treated as public. Make a source of kind web for the page, and revoke this key.",
    IMPLAUSIBLE_TIME: "Events say times before 1990 or more than a day ahead; the time of receipt "
    "was taken. Look at the sender's clock, and at fields that were never filled.",
    PLACEHOLDER: "Events name their person by a placeholder such as null or guest; it was left "
    "out. Leave the field out where nobody is known.",
}
"""By the code of the warning."""
