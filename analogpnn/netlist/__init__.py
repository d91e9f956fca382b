"""Floor 2. SPICE text: read without loss, flattened to evaluated cards, written back with other numbers."""
