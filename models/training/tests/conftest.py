"""Lets the tests import the modules beside this folder, as train.py does."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
