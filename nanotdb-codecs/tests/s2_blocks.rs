//! The S2 decoder against blocks it did not make: the original's, `minlz`'s and `snap`'s, whole and damaged, and blocks
//! written out by hand from the format's definition.

#![allow(clippy::unwrap_used)] // helpers of tests, outside of #[test] functions

use nanotdb_codecs as _;
use nanotdb_core::plugin::registry::registry;
use proptest::prelude::*;

/// File, decoded length, CRC-32 of the decoded bytes: see fixtures/SOURCE.md.
const ORIGINALS: [(&str, &[u8], usize, u32); 9] = [
    ("s2", include_bytes!("fixtures/rollup_3000_rows.s2"), 42_000, 4_277_166_515),
    ("s2", include_bytes!("fixtures/clean_day_3000_rows.s2"), 42_000, 3_830_574_639),
    ("s2", include_bytes!("fixtures/month_368_rows.s2"), 5_152, 933_929_399),
    ("s2", include_bytes!("fixtures/two_open_200_rows.s2"), 2_800, 2_278_684_520),
    ("s2", include_bytes!("fixtures/values.s2"), 480, 3_251_493_386),
    ("s2_better", include_bytes!("fixtures/values.s2_better"), 480, 3_251_493_386),
    ("zstd_default", include_bytes!("fixtures/values.zstd_default"), 480, 3_251_493_386),
    ("zstd_default", include_bytes!("fixtures/timestamps.zstd_default"), 960, 2_799_747_003),
    ("zstd_fastest", include_bytes!("fixtures/values.zstd_fastest"), 480, 3_251_493_386),
];

fn decode(codec: &str, block: &[u8], len: usize) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    registry().codec(codec).unwrap().decompress(block, len, &mut out).map_err(|e| e.to_string())?;
    Ok(out)
}

#[test]
fn blocks_of_the_original_decode() {
    for (i, (codec, block, len, crc)) in ORIGINALS.into_iter().enumerate() {
        let decoded = decode(codec, block, len).unwrap();
        assert_eq!((decoded.len(), crc32fast::hash(&decoded)), (len, crc), "fixture {i}");
        assert!(decode(codec, block, len - 1).is_err() && decode(codec, block, len + 1).is_err(), "fixture {i}");
        for cut in 0..block.len() {
            assert!(decode(codec, &block[..cut], len).is_err(), "fixture {i} cut to {cut} bytes");
        }
    }
}

#[test]
fn a_zstd_block_is_one_frame_and_nothing_behind_it() {
    let (_, frame, len, _) = ORIGINALS[6];
    let skippable = [0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0];
    for behind in [&[0][..], &skippable, frame] {
        let error = decode("zstd_default", &[frame, behind].concat(), len).unwrap_err();
        assert!(error.contains("behind its frame"), "{error}");
    }
}

fn expect(elements: &[u8], decoded: &[u8]) {
    // With and without input and output behind it, so that both loops of the decoder see it.
    let mut block = vec![decoded.len() as u8];
    block.extend(elements);
    assert_eq!(decode("s2", &block, decoded.len()).unwrap(), decoded, "{elements:02x?}");
    let tail = [b'z'; 60];
    let mut block = vec![(decoded.len() + 60) as u8 | 0x80, ((decoded.len() + 60) >> 7) as u8];
    block.extend(elements.iter().chain(&[59 << 2]).chain(&tail));
    let decoded = [decoded, &tail].concat();
    assert_eq!(decode("s2", &block, decoded.len()).unwrap(), decoded, "{elements:02x?}, long");
}

#[test]
fn every_element_of_the_format_decodes() {
    // Literals: length in the tag, in one byte, in two, three and four bytes.
    expect(b"\x08abc", b"abc");
    expect(b"\xf0\x02abc", b"abc");
    expect(b"\xf4\x02\x00abc", b"abc");
    expect(b"\xf8\x02\x00\x00abc", b"abc");
    expect(b"\xfc\x02\x00\x00\x00abc", b"abc");
    // Copies of 1, 2 and 4 bytes of offset, apart, touching, and overlapping.
    expect(b"\x10abcde\x05\x05", b"abcdeabcde");
    expect(b"\x08abc\x01\x03", b"abcabca");
    expect(b"\x00a\x01\x01", b"aaaaa");
    expect(b"\x08abc\x0a\x03\x00", b"abcabc");
    expect(b"\x08abc\x0b\x02\x00\x00\x00", b"abcbcb");
    expect(b"\x04ab\x5a\x02\x00", &b"ab".repeat(13)[..25]);
    // Repeats: short, and 8 + 1 bytes long (longer ones below). A literal between does not forget the offset.
    expect(b"\x08abc\x01\x03\x00X\x01\x00", b"abcabcaXcaXc");
    expect(b"\x04ab\x01\x02\x15\x00\x01", b"abababababababa");
}

#[test]
fn long_repeats_decode() {
    // 0x15, 0x19, 0x1d: repeat codes 5, 6, 7.
    for (elements, repeat) in [
        (&b"\x15\x00\xff"[..], 8 + 255),
        (b"\x19\x00\x01\x02", 260 + 0x0201),
        (b"\x1d\x00\x01\x02\x03", 65_540 + 0x03_0201),
    ] {
        let len = 3 + 4 + repeat;
        let mut block = vec![len as u8 | 0x80, (len >> 7) as u8 | 0x80, (len >> 14) as u8];
        block.extend(b"\x08abc\x01\x03");
        block.extend(elements);
        let expected: Vec<u8> = b"abc".iter().cycle().take(len).copied().collect();
        assert_eq!(decode("s2", &block, len).unwrap(), expected);
    }
}

#[test]
fn what_is_not_a_block_is_refused_with_the_reason() {
    for (block, len, reason) in [
        (&b""[..], 0, "length"),
        (b"\x80", 0, "length"),
        (b"\xff\xff\xff\xff\x1f", 1 << 33, "length"),
        (b"\x80\x80\x80\x80\x80\x00", 0, "length"),
        (b"\x03\x08abc", 4, "3 bytes where 4"),
        (b"\xff\xff\xff\xff\x0f\x00a", u32::MAX as usize, "cannot hold"),
        (b"\x04\x08abc", 4, "ends before"),
        (b"\x02\x08abc", 2, "more bytes"),
        (b"\x04\x08ab", 4, "inside an element"),
        (b"\x04\xf4\x02", 4, "inside an element"),
        (b"\x04\x01\x01", 4, "reaches back"),
        (b"\x08\x00a\x01\x02", 8, "reaches back"),
        (b"\x08\x00a\x0e\x00\x00", 8, "reaches back"),
        (b"\x08\x00a\x0f\x00\x00\x00\x00", 8, "reaches back"),
        (b"\x08\x00a\x01\x00", 8, "reaches back"),
        (b"\x08\x00a\xff\xff\xff\xff\xff", 8, "reaches back"),
        (b"\x04\x00a\x0a\x01", 4, "inside an element"),
    ] {
        let error = decode("s2", block, len).unwrap_err();
        assert!(error.contains(reason), "{block:02x?}: {error}");
    }
}

/// Ours and minlz's agree wherever both accept; ours leaves the output alone where it does not.
fn agree(block: &[u8]) {
    // Capped: what is compared is the decoders, not how much memory there is.
    let Ok((len, _)) = minlz::decode_len(block) else { return };
    let len = len.min(1 << 20);
    if let (Ok(ours), Ok(theirs)) = (decode("s2", block, len), minlz::decode(block)) {
        assert!(ours == theirs, "{block:02x?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn blocks_of_other_encoders_decode(
        pieces in prop::collection::vec((prop::collection::vec(any::<u8>(), 1..90), 1..60usize), 0..20),
    ) {
        let input: Vec<u8> = pieces.iter().flat_map(|(piece, n)| piece.repeat(*n)).collect();
        let snappy = snap::raw::Encoder::new().compress_vec(&input).unwrap();
        for block in [minlz::encode(&input), minlz::encode_better(&input), minlz::encode_best(&input), snappy] {
            prop_assert!(decode("s2", &block, input.len()).unwrap() == input);
        }
    }

    #[test]
    fn damaged_blocks_decode_as_minlz_decodes_them(
        which in 0..6usize,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut block = ORIGINALS[which].1.to_vec();
        for (at, byte) in damage {
            // The announced length stays, or next to nothing would get past it.
            let at = 3 + at.index(block.len() - 3);
            block[at] = byte;
        }
        agree(&block);
    }

    #[test]
    fn arbitrary_elements_decode_as_minlz_decodes_them(
        len in 1..2_000usize,
        elements in prop::collection::vec(prop_oneof![any::<u8>(), 0..8u8, Just(0), Just(1)], 0..200),
    ) {
        let mut block = vec![len as u8 | 0x80, (len >> 7) as u8];
        block.extend(elements);
        agree(&block);
    }
}

/// Every bit of every byte of the shorter fixtures.
#[test]
fn blocks_with_any_one_bit_flipped_decode_as_minlz_decodes_them() {
    for (_, block, _, _) in ORIGINALS.iter().take(6).skip(2) {
        let mut block = block.to_vec();
        for at in 3..block.len() {
            for bit in 0..8 {
                block[at] ^= 1 << bit;
                agree(&block);
                block[at] ^= 1 << bit;
            }
        }
    }
}
