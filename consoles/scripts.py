"""What the broker does in one step: the keyboard's lease, and typing only while one has it."""

import hashlib
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Script:
    """A Lua script and the name by which the broker knows it once it has run."""

    text: str
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "digest", hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest())


_HELD = """
local held = redis.call('GET', KEYS[1])
local ours = held and cjson.decode(held)['socket'] == ARGV[1]
"""

# typist, news; socket, JSON, milliseconds, news kept, hint
TAKE = Script(
    _HELD
    + """
if held and not ours then return {0, held} end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[4], '*', 'n', ARGV[5])
return {1, held or ''}
"""
)

# typist, news, keys; as above, keys kept, then the fields of a note for the daemon, the last one without its value
TAKE_OVER = Script(
    _HELD
    + """
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[4], '*', 'n', ARGV[5])
if held and not ours then
    local note = {unpack(ARGV, 7)}
    note[#note + 1] = held
    redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[6], '*', unpack(note))
end
return {1, held or ''}
"""
)

# typist; socket, milliseconds
RENEW = Script(
    _HELD
    + """
if ours then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return {ours and 1 or 0, held or ''}
"""
)

# typist, news; socket, news kept, hint
RELEASE = Script(
    _HELD
    + """
if not ours then return 0 end
redis.call('DEL', KEYS[1])
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[2], '*', 'n', ARGV[3])
return 1
"""
)

# keys; keys kept, fields
APPEND = Script("redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', unpack(ARGV, 2)) return 1")

# typist, keys; socket, keys kept, fields
APPEND_AS_TYPIST = Script(
    _HELD
    + """
if ours then redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[2], '*', unpack(ARGV, 3)) end
return {ours and 1 or 0, held or ''}
"""
)
