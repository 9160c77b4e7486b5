"""Two look-ups that moto repeats for every request and whose answers never change.

Finding its own modules is 180 `stat` calls under a lock that all requests share; listing the methods of a class is an
inspection of it. Together they are a third of the time of a small call.
"""

import functools

from moto import backends
from moto.core import responses

_modules = tuple(backends.list_of_moto_modules())
backends.list_of_moto_modules = lambda: _modules
responses.method_names_from_class = functools.cache(responses.method_names_from_class)
