//! A decoder of S2 blocks, from the description of Snappy blocks and of what S2 adds to them (repeat offsets).

use super::Cursor;

/// The decoded block; panics when it is not one.
pub fn decode(block: &[u8]) -> Vec<u8> {
    let mut cursor = Cursor(block);
    let length = cursor.uvarint();
    let mut out = Vec::with_capacity(length);
    let mut last_offset = 0;
    while !cursor.0.is_empty() {
        let tag = cursor.number(1) as usize;
        let (offset, count) = match tag & 3 {
            0 => {
                let length = match tag >> 2 {
                    short @ 0..=59 => short,
                    long => cursor.number(long - 59) as usize,
                };
                out.extend_from_slice(cursor.bytes(length + 1));
                continue;
            }
            1 => {
                let offset = ((tag & 0xe0) << 3) | cursor.number(1) as usize;
                let length = (tag >> 2) & 7;
                match (offset, length) {
                    // Offset 0 repeats the last one, and lengths from 5 on say how many bytes more tell the length.
                    (0, 5) => (last_offset, cursor.number(1) as usize + 8),
                    (0, 6) => (last_offset, cursor.number(2) as usize + (1 << 8) + 4),
                    (0, 7) => (last_offset, cursor.number(3) as usize + (1 << 16) + 4),
                    (0, short) => (last_offset, short + 4),
                    (offset, length) => (offset, length + 4),
                }
            }
            2 => (cursor.number(2) as usize, (tag >> 2) + 1),
            _ => (cursor.number(4) as usize, (tag >> 2) + 1),
        };
        assert!(offset > 0 && offset <= out.len(), "a copy from {offset} bytes back, with {} there", out.len());
        // One byte at a time: a copy may overlap what it makes.
        for _ in 0..count {
            out.push(out[out.len() - offset]);
        }
        last_offset = offset;
    }
    assert_eq!(out.len(), length, "the block says how long it is");
    out
}

#[test]
fn literals_copies_and_repeats() {
    // "ab", then 4 bytes from 2 back, then the same offset again for 4 + 4 bytes.
    assert_eq!(decode(&[14, 1 << 2, b'a', b'b', 1, 2, (4 << 2) | 1, 0]), b"ababababababab");
    // A repeat with an extra length byte: 0 + 8 bytes.
    assert_eq!(decode(&[14, 1 << 2, b'a', b'b', 1, 2, (5 << 2) | 1, 0, 0]), b"ababababababab");
    // A copy with a 16-bit offset: tag 2, length 3.
    assert_eq!(decode(&[5, 1 << 2, b'x', b'y', (2 << 2) | 2, 2, 0]), b"xyxyx");
}
