"""A pytest plugin: property tests that judge the code and not the machine they run on.

The same examples each time, and no verdict for being slow: a build must not fail by chance. How
many there are is said in `examples.py`; `HYPOTHESIS_PROFILE=explore pytest …` looks for new
counterexamples.
"""

from hypothesis import HealthCheck, settings

from rapport_common.testing.examples import EXPLORE, FULL, SHORT, USUAL, chosen, share

# A test's own list of these takes the place of this one, so that it would again be judged by the
# machine's speed: none has its own. A fixture of a function may be shared by the examples.
_PATIENT = settings(
    deadline=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.function_scoped_fixture,
    ],
    print_blob=True,
)
for name in (SHORT, FULL, EXPLORE):
    settings.register_profile(
        name, _PATIENT, max_examples=share(USUAL, name), derandomize=name != EXPLORE
    )
settings.load_profile(chosen())
