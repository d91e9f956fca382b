"""From a netlist's text to a circuit, its boundaries, operating points and local views."""
