//! Damaged files: an error, or the same rows. Never a panic.

use super::support::{Written, codec, layout, read, sample, write};
use nanotdb_core::format::metric::{HEADER_LEN, Layout};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

/// Small files, and what is in them.
fn files() -> Vec<(Vec<u8>, Vec<Written>)> {
    let all = sample();
    let mut files = Vec::new();
    for version in [1, 2] {
        for name in ["none", "s2", "zstd_fastest"] {
            let file = write(version, codec(name), &all);
            let rows = read(&file).unwrap();
            files.push((file, rows));
        }
    }
    files
}

#[test]
fn every_flipped_bit_is_detected_or_harmless() {
    for (file, rows) in files() {
        let mut harmless = 0;
        for bit in 0..file.len() * 8 {
            let mut damaged = file.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            if let Ok(found) = read(&damaged) {
                assert_eq!(found, rows, "bit {bit}");
                harmless += 1;
            }
        }
        // Nothing but the reserved bytes of the directory: 1 + 4 of an entry of v1, 1 + 2 or 2 of one of v2.
        let layout = layout(&file).unwrap();
        let expected = if layout.version == 1 {
            layout.series.len() * 5
        } else {
            layout.series.len() * 3 + layout.times.len() * 2
        };
        assert_eq!(harmless, expected * 8);
    }
}

#[test]
fn every_truncation_is_detected_and_bytes_behind_the_end_change_nothing() {
    for (file, rows) in files() {
        for len in 0..file.len() {
            assert!(read(&file[..len]).is_err(), "{len} bytes of {}", file.len());
        }
        for more in [&[0][..], &[0; 44], &file] {
            // The directory of v1 is found from the end, so that a second copy of the file is just unused space.
            let found = read(&[&file, more].concat());
            assert!(found.is_err() || found == Ok(rows.clone()));
        }
    }
}

#[test]
fn versions_codecs_and_types_of_others_are_incompatible_and_not_damage() {
    let file = write(2, codec("none"), &sample());
    let parts = layout(&file).unwrap();
    let changed = |at: usize, bytes: &[u8]| {
        let mut changed = file.clone();
        changed[at..at + bytes.len()].copy_from_slice(bytes);
        seal(&mut changed, &parts);
        read(&changed).unwrap_err()
    };
    let version = changed(4, &3_u16.to_le_bytes());
    assert!(version.incompatible && version.reason.contains("version 3"), "{version}");
    let time_codec = changed(64 + 6, &31_999_u16.to_le_bytes());
    assert!(time_codec.incompatible && time_codec.reason.contains("codec 31999"), "{time_codec}");
    let block = &parts.series[0].blocks[0];
    let block_codec = changed(block.extent.offset as usize + 6, &31_999_u16.to_le_bytes());
    assert!(block_codec.incompatible && block_codec.reason.contains("codec 31999"), "{block_codec}");
    let metrics_at = file.len() - 16 - parts.series.len() * 44;
    let value_type = changed(metrics_at + 2, &[9]);
    assert!(value_type.incompatible && value_type.reason.contains("type 9"), "{value_type}");
    let damaged = changed(64 + 8, &[9]);
    assert!(!damaged.incompatible && damaged.reason.contains("id 9"), "{damaged}");
}

#[test]
fn a_frame_that_is_listed_twice_is_not_read_twice() {
    // Two metrics of one row at one time: as one metric of two frames they would not overlap in time.
    let one = |id| Written { id, timestamps: vec![5], values: nanotdb_core::model::Column::Int32(vec![1]) };
    for version in [1, 2] {
        let mut file = write(version, codec("none"), &[one(1), one(2)]);
        let end = file.len() - 16;
        file.copy_within(end - 88..end - 44, end - 44);
        let error = read(&file).unwrap_err();
        assert!(error.reason.contains("frames overlap"), "{error}");
    }
}

/// Puts right every checksum of a file whose frames are where `layout` says.
fn seal(file: &mut [u8], layout: &Layout) {
    let mut put = |from: usize, to: usize| {
        let crc = crc32fast::hash(&file[from..to]);
        file[to..to + 4].copy_from_slice(&crc.to_le_bytes());
    };
    put(0, 60);
    let blocks = layout.series.iter().flat_map(|series| &series.blocks).map(|block| block.extent);
    for extent in layout.times.iter().map(|time| time.extent).chain(blocks) {
        let (at, len) = (extent.offset as usize, extent.len as usize);
        put(at, at + 44);
        put(at + 48, at + len - 4);
    }
    let end = file.len();
    let crc = crc32fast::hash(&file[end - 16..end - 4]);
    file[end - 4..].copy_from_slice(&crc.to_le_bytes());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Lies with a checksum: an error, or rows; frames never decode to more than they announce.
    #[test]
    fn sealed_nonsense_never_panics(which in 0..6_usize, changes in vec((any::<Index>(), any::<u8>()), 1..6)) {
        let (mut file, _) = files().swap_remove(which);
        let layout = layout(&file).unwrap();
        for (at, byte) in changes {
            let len = file.len();
            file[at.index(len)] = byte;
        }
        seal(&mut file, &layout);
        let _ = read(&file);
    }

    #[test]
    fn any_bytes_decode_without_panic(bytes in vec(any::<u8>(), 0..300)) {
        prop_assert!(bytes.len() >= HEADER_LEN || read(&bytes).is_err());
        let _ = read(&bytes);
    }
}
