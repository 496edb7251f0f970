"""Recordings of consoles on disk: written by the daemon, read by pages and the API.

DATA/consoles/<board>/<slot>/ holds numbered segments of three files each: `.raw`, the bytes as they came and nothing
else; `.marks`, markers as lines of JSON; `.idx`, one fixed-size entry per record with its time and where it ends in
the other two. The index is written last: what it does not name is not there yet, or the rest of a crash.
"""
