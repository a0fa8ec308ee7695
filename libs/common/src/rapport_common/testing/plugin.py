"""A pytest plugin: property tests that judge the code and not the machine they run on.

The same examples each time, and no verdict for being slow: a build must not fail by chance.
`HYPOTHESIS_PROFILE=explore pytest …` looks for new counterexamples, ten times as many.
"""

import os

from hypothesis import HealthCheck, settings

_PATIENT = settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
settings.register_profile("build", _PATIENT, derandomize=True)
settings.register_profile("explore", _PATIENT, max_examples=1000, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "build"))
