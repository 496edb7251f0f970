"""Drivers, pure planners and the sequencer of the NanoCluster board. Plain Python: no web framework below here."""
