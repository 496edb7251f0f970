"""A NanoCluster that exists only in software, simulated at the wire.

`python -m hardware.simulator --data DIR` is one board: I2C transfers arrive on a unix socket and reach models of the
chips' registers, SOMs react to their reset lines with the times of real ones, and their UARTs are pseudo-terminals.
Drivers meet it through `client.SimulatedSMBus`; nothing here imports a driver or a driver's register table, so that a
test in which both agree proves something. Each figure cites the data sheet, the board's notes, or says [inferred].
"""
