"""python -m t2local"""

from t2local.cli import main

main()
