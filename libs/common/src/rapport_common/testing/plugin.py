"""A pytest plugin: property tests that judge the code and not the machine they run on.

The same examples each time, and no verdict for being slow: a build must not fail by chance.
`HYPOTHESIS_PROFILE=explore pytest …` looks for new counterexamples, ten times as many.
"""

import os

from hypothesis import HealthCheck, settings

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
settings.register_profile("build", _PATIENT, derandomize=True)
settings.register_profile("explore", _PATIENT, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "build"))
