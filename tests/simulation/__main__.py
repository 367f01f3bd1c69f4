"""Play many seeds; the first that fails prints its story.

python -m tests.simulation --seeds 1000 --first 1
python -m tests.simulation --seed 42        # one, with its history
"""

from __future__ import annotations

import argparse
import sys
import time

from .simulate import Simulation, simulate


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many")
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--seed", type=int, help="one seed, told in full")
    options = parser.parse_args()
    if options.seed is not None:
        simulation = Simulation(options.seed)
        problems = simulation.run()
        print("\n".join(simulation.history))
        print("\n".join(problems) or "all is well")
        return 1 if problems else 0
    failed, began = [], time.monotonic()
    for seed in range(options.first, options.first + options.seeds):
        problems = simulate(seed)
        if problems:
            failed.append(seed)
            print(f"seed {seed}: {problems[0]} ({len(problems)} in all)", flush=True)
    seconds = time.monotonic() - began
    print(f"simulation: seeds {options.seeds}, failed {len(failed)}, {seconds:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
