"""The command line's door: `python -m harmony.generate`; the work is in `harmony.batch`.

In Python, `harmony.generate(...)` is a function. Importing this module would put the module in the
function's place, so it lets itself be run only.
"""

import sys

if __name__ != "__main__":
    raise ImportError(
        "harmony.generate is a command (python -m harmony.generate) and a function "
        "(import harmony; harmony.generate(...)); import harmony.batch for its parts."
    )

from harmony.batch.command import main

sys.exit(main())
