"""The frames between a client and the simulated board."""

import pytest

from hardware.simulator.wire import Message, decode_reply_header, encode_reply, encode_request, take_request

TRANSFER = [Message.write(0x18, b"\x01"), Message.read(0x18, 2)]


def test_a_request_comes_out_as_it_went_in_however_it_is_cut() -> None:
    buffer = bytearray()
    taken = []
    for byte in encode_request(TRANSFER) * 2:
        buffer.append(byte)
        if (messages := take_request(buffer)) is not None:
            taken.append(messages)
    assert taken == [TRANSFER, TRANSFER]
    assert buffer == b""


@pytest.mark.parametrize("frame", [b"\x01\x80\x00\x00\x01\x00", b"\x01\x18\x02\x00\x01\x00", b"\x01\x18\x00\xff\xff"])
def test_a_frame_that_no_client_sends_is_refused(frame: bytes) -> None:
    with pytest.raises(ValueError, match="no I2C request"):
        take_request(bytearray(frame))


def test_a_reply_carries_error_and_data() -> None:
    reply = encode_reply(121, b"\xaa\xbb")
    assert decode_reply_header(reply[:3]) == (121, 2)
    assert reply[3:] == b"\xaa\xbb"
