"""A password as the systems that we set up keep it: crypt(3)'s SHA-512 form, by the system's own libcrypt."""

import ctypes
import functools
import secrets

from hardware.flash.firstboot.errors import FirstBootInvalid

# The hash lies on the boot partition until the first boot: guessing gets 20 times as dear as with crypt(3)'s own
# 5,000 rounds, and signing in takes a tenth of a second more on the slowest SOM.
ROUNDS = 100_000
MAX_CHARACTERS = 128
_SALT_LETTERS = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_STATE_BYTES = 256 * 1024  # struct crypt_data has 32 KiB in libxcrypt, 128 KiB in the C library's own


def crypt_hash(password: str) -> str:
    """The hash of a password, with a salt of its own; takes about 0.1 s.

    Raises FirstBootInvalid for one that nobody could type at a login, or if the system has no libcrypt.
    """
    if not password.isprintable() or not 0 < len(password) <= MAX_CHARACTERS:
        raise FirstBootInvalid(f"A password has 1 to {MAX_CHARACTERS} characters, all of them visible or spaces.")
    salt = "".join(secrets.choice(_SALT_LETTERS) for _ in range(16))
    setting = f"$6$rounds={ROUNDS}${salt}"
    hashed: bytes | None = _crypt()(password.encode(), setting.encode(), ctypes.create_string_buffer(_STATE_BYTES))
    if not hashed or not hashed.decode().startswith(setting):
        raise FirstBootInvalid("This system's libcrypt makes no SHA-512 hashes.")
    return hashed.decode()


@functools.cache
def _crypt() -> "ctypes._NamedFuncPointer":
    try:
        function = ctypes.CDLL("libcrypt.so.1").crypt_r
    except (OSError, AttributeError) as error:
        raise FirstBootInvalid(
            "Passwords need the library libcrypt, which is missing: apt install libcrypt1."
        ) from error
    function.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p)
    function.restype = ctypes.c_char_p
    return function
