"""How to build a node: power budget, flash life, bill of materials, wiring."""
