"""What the fast engine is measured against, each as people do it today."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg as spl

from analogpnn import Circuit
from analogpnn.devices import linear
from analogpnn.devices.diode import DIODE


class SciPyNewton:
    """Newton's method with SPICE's junction limiting, one `splu` per step and sample, on the free nodes."""

    def __init__(self, circuit: Circuit):
        groups = {id(g.device): g for g in circuit.groups}
        r, d, v = (groups[id(x)] for x in (linear.RESISTOR, DIODE, linear.VOLTAGE_SOURCE))
        n = circuit.n_nodes
        ground = circuit.n_unknowns
        self.n = n
        g = r.values[0]
        a, b = (np.where(x == ground, n, x) for x in (r.positive, r.negative))
        entries = [(g, a, a), (g, b, b), (-g, a, b), (-g, b, a)]
        amplifiers = groups.get(id(linear.VCVS))
        more = 0 if amplifiers is None else len(amplifiers.names)
        if amplifiers is not None:  # grounded ones: v(out) = gain v(in), and a current into `out`
            one, branch = np.ones(more), n + 1 + np.arange(more)
            out, control = amplifiers.positive, amplifiers.control_positive[0]
            entries += [(one, branch, out), (-amplifiers.values[0], branch, control), (one, out, branch)]
        values, rows, columns = (np.concatenate(part) for part in zip(*entries))
        full = sp.csc_matrix((values, (rows, columns)), shape=(n + 1 + more, n + 1 + more))
        self.driven = v.positive
        self.free = np.setdiff1d(np.r_[:n, n + 1 : n + 1 + more], self.driven)
        place = np.full(n + 1 + more, -1)
        place[self.free] = np.arange(len(self.free))
        self.a = full[self.free][:, self.free].tocsc()
        self.to_driven = full[self.free][:, self.driven].tocsr()
        self.p, self.m = (place[np.where(x == ground, n, x)] for x in (d.positive, d.negative))
        self.saturation, self.slope, self.gmin = d.values[0], d.values[1], d.values[2]
        size = len(self.free)
        rows, columns, signs, which = [], [], [], []
        for r_, c_, s_ in ((self.p, self.p, 1), (self.m, self.m, 1), (self.p, self.m, -1), (self.m, self.p, -1)):
            keep = (r_ >= 0) & (c_ >= 0)
            rows.append(r_[keep])
            columns.append(c_[keep])
            signs.append(np.full(keep.sum(), s_))
            which.append(np.flatnonzero(keep))
        self.rows, self.columns = np.concatenate(rows), np.concatenate(columns)
        self.signs, self.which, self.size = np.concatenate(signs), np.concatenate(which), size

    def solve(self, inputs: np.ndarray) -> np.ndarray:
        """Free node voltages for one sample."""
        b = -self.to_driven @ inputs
        x = np.zeros(self.size)
        u = np.zeros(len(self.p))
        critical = self.slope * np.log(self.slope / (np.sqrt(2) * self.saturation))
        for _ in range(200):
            e = np.exp(u / self.slope)
            g = self.saturation * e / self.slope + self.gmin
            i = self.saturation * (e - 1) + self.gmin * u
            extra = sp.csc_matrix((self.signs * g[self.which], (self.rows, self.columns)), shape=self.a.shape)
            right = b.copy()
            ieq = i - g * u
            np.add.at(right, self.p[self.p >= 0], -ieq[self.p >= 0])
            np.add.at(right, self.m[self.m >= 0], ieq[self.m >= 0])
            x = spl.splu((self.a + extra).tocsc(), permc_spec="MMD_AT_PLUS_A").solve(right)
            new = np.where(self.p >= 0, x[self.p], 0.0) - np.where(self.m >= 0, x[self.m], 0.0)
            if np.max(np.abs(new - u), initial=0) < 1e-9:
                return x
            far = (new > critical) & (np.abs(new - u) > 2 * self.slope)
            step = 1 + (new - u) / self.slope
            limited = np.where(
                u > 0, np.where(step > 0, u + self.slope * np.log(np.maximum(step, 1e-30)), critical),
                self.slope * np.log(np.maximum(new / self.slope, 1e-30)),
            )  # fmt: skip
            u = np.where(far, limited, new)
        raise RuntimeError("the reference did not converge")


def alter_and_op(netlist, inputs: np.ndarray) -> float:
    """Seconds a sample of `alter` + `op` + reading all nodes, one ngspice process (its start not counted).

    Runs in a process of its own: the library keeps global state.
    """
    return _in_child("alter", netlist.text, inputs)


def pyspice_rebuild(netlist, inputs: np.ndarray) -> float:
    """Seconds a sample when PySpice's circuit is built again for each sample, as its examples do."""
    return _in_child("pyspice", netlist.text, inputs)


def _in_child(how: str, text: str, inputs: np.ndarray) -> float:
    import json
    import subprocess
    import sys

    job = json.dumps({"how": how, "text": text, "inputs": inputs.tolist()})
    done = subprocess.run([sys.executable, __file__], input=job, capture_output=True, text=True, check=True)
    return float(done.stdout.strip().splitlines()[-1])


def _child() -> None:
    import json
    import os
    import sys
    import tempfile
    import time

    job = json.load(sys.stdin)
    os.chdir(tempfile.mkdtemp())
    from ctypes.util import find_library

    from PySpice.Spice.NgSpice import Shared

    Shared.NgSpiceShared.LIBRARY_PATH = find_library("ngspice") or "libngspice.so.0"
    times = []
    if job["how"] == "alter":
        shared = Shared.NgSpiceShared.new_instance()
        shared.load_circuit(job["text"])
        for sample in job["inputs"]:
            began = time.perf_counter()
            for k, value in enumerate(sample):
                shared.exec_command(f"alter v{k} = {value!r}")
            shared.exec_command("op")
            plot = shared.plot(None, shared.last_plot)
            _ = [np.asarray(v._data) for v in plot.values()]
            shared.destroy()
            times.append(time.perf_counter() - began)
    else:
        from PySpice.Spice.Netlist import Circuit as SpiceCircuit

        cards = [line.split() for line in job["text"].splitlines() if line[:1] in "VRD"]
        for sample in job["inputs"]:
            began = time.perf_counter()
            circuit = SpiceCircuit("network")
            circuit.model("dd", "D", IS=2.52e-9, N=1.752)
            for card in cards:
                if card[0][0] == "V":
                    circuit.V(card[0][1:], card[1], card[2], sample[int(card[0][1:])])
                elif card[0][0] == "R":
                    circuit.R(card[0][1:], card[1], card[2], 1e6 if card[3] == "1meg" else float(card[3]))
                else:
                    circuit.D(card[0][1:], card[1], card[2], model="dd")
            analysis = circuit.simulator(temperature=27, nominal_temperature=27).operating_point()
            _ = [float(np.asarray(node)[0]) for node in analysis.nodes.values()]
            times.append(time.perf_counter() - began)
    print(float(np.median(times)))


if __name__ == "__main__":
    _child()
