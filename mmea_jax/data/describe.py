"""What a data set, or one graph, holds: counts, degrees, coverage and problems, and a plot.

python -m mmea_jax.data.describe PATH [--plot FILE]
"""

import sys

from mmea_jax.data.inspection import main

if __name__ == "__main__":
    sys.exit(main())
