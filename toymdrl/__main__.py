"""`python -m toymdrl` is the command line."""

import sys

from toymdrl.cli import main

sys.exit(main())
