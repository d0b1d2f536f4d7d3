"""One process of two: ``one_of_two_processes.py PORT INDEX FOLDER``. Prints losses and answers as JSON."""

import json
import sys
from pathlib import Path

from mmea_jax.training.processes import join

join(f"localhost:{sys.argv[1]}", 2, int(sys.argv[2]))

from tests.training.small_training import trained  # noqa: E402

losses, answers = trained(0, Path(sys.argv[3]))
print(json.dumps([losses, {name: value.tolist() for name, value in answers.items()}]))
