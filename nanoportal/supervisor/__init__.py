"""The one-command portal: broker, simulated board, web, worker and console daemon as child processes of one supervisor.

Standard library and `hardware/` only. Whatever else is broken, left-over presses of a button are released from here.
"""
