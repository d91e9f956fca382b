"""An experiment to test with: a weighted mean of two inputs, learned by three resistors beside a diode."""

import numpy as np

NETLIST = """divider with a diode that hardly conducts
*@ input  V1 V2
*@ output v(out)
*@ train  R* min=0.1u max=1m
V1 a 0 DC 1
V2 b 0 DC 0
R1 a out 10k   ; keep this comment
R2 b out 1.2Meg
R3 out 0 20k
D1 out 0 dm
.model dm D(IS=1e-14)
.options temp=27 tnom=27
.end
"""

TOML = """# learn a weighted mean
netlist = "mean.cir"
rule = {name = "coupled-learning", eta = 0.1}
seed = 1

[task]
path = "mean.csv"
test_fraction = 0.25
scale = "none"

[train]
epochs = 6
batch = 3
rate = 1e-5
"""


def write(folder):
    """Put the experiment, its netlist and its data into a folder."""
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 0.5, (16, 2))
    y = 0.3 * x[:, :1] + 0.4 * x[:, 1:]
    rows = "\n".join(",".join(map(repr, map(float, row))) for row in np.hstack([x, y]))
    (folder / "mean.csv").write_text("x1,x2,y\n" + rows + "\n")
    (folder / "mean.cir").write_text(NETLIST)
    (folder / "mean.toml").write_text(TOML)
    return folder
