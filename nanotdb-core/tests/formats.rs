//! Byte layouts with the real codecs: round trips, exact bytes, hostile input.

#![allow(unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;

use common::oracle::{ROOT, START as T};
use common::rng::Rng;
use nanotdb_core::format::page::{self, DecodedPage, Envelope, Rows};
use nanotdb_core::format::wal::{self, BatchEncoder, WalSummary};
use nanotdb_core::format::{catalog, frame};
use nanotdb_core::model::{MetricId, Timestamp, Value, ValueType};
use nanotdb_core::plugin::Partition;
use nanotdb_core::plugin::registry::registry;
use nanotdb_core::storage::RawFile;
use nanotdb_core::storage::vfs::sim::SimVfs;
use proptest::prelude::*;
use std::collections::HashMap;
use std::path::Path;

/// A decoded record, owned.
#[derive(Debug, Clone, PartialEq)]
struct Record {
    id: MetricId,
    timestamp: Timestamp,
    value: Value,
    name: Option<String>,
}

fn decode_with(bytes: &[u8], types: &HashMap<MetricId, ValueType>) -> (Vec<Record>, WalSummary) {
    let mut records = Vec::new();
    let summary = wal::decode(bytes, &|id| types.get(&id).copied(), &mut |r| {
        records.push(Record {
            id: r.id,
            timestamp: r.timestamp,
            value: Value::from_bits(r.value_type, r.bits),
            name: r.announces.map(str::to_owned),
        });
    });
    (records, summary)
}

fn encode(batches: &[Vec<Record>]) -> Vec<u8> {
    let mut out = Vec::new();
    for batch in batches {
        let first = out.is_empty();
        let mut encoder = BatchEncoder::new(&mut out, first);
        for r in batch {
            encoder.record(r.id, r.timestamp, r.value.to_bits(), r.value.value_type(), r.name.as_deref());
        }
        encoder.finish();
    }
    out
}

fn record(id: MetricId, timestamp: Timestamp, value: Value, name: Option<&str>) -> Record {
    Record { id, timestamp, value, name: name.map(str::to_owned) }
}

fn value_of(value_type: ValueType) -> BoxedStrategy<Value> {
    match value_type {
        ValueType::Int32 => any::<i32>().prop_map(Value::Int32).boxed(),
        ValueType::Float32 => (-1e30f32..1e30).prop_map(Value::Float32).boxed(),
        ValueType::Int64 => any::<i64>().prop_map(Value::Int64).boxed(),
        ValueType::Float64 => (-1e300f64..1e300).prop_map(Value::Float64).boxed(),
    }
}

const TYPES: [ValueType; 4] = [ValueType::Int32, ValueType::Float32, ValueType::Int64, ValueType::Float64];

/// Ids 1 to 8, two of each type; 1 to 4 are in the catalog, 5 to 8 are announced by their first record.
fn wal_type(id: MetricId) -> ValueType {
    TYPES[usize::from(id) % 4]
}

fn known_types() -> HashMap<MetricId, ValueType> {
    (1..=4).map(|id| (id, wal_type(id))).collect()
}

fn batches() -> impl Strategy<Value = Vec<Vec<Record>>> {
    let steps = prop_oneof![0i64..3, Just(0xff_ffff), Just(0x100_0000), -5i64..0, 0i64..1 << 40];
    let row = (1u16..=8, steps).prop_flat_map(|(id, step)| (Just(id), Just(step), value_of(wal_type(id))));
    prop::collection::vec(prop::collection::vec(row, 1..12), 1..6).prop_map(|batches| {
        let mut at = T;
        let mut announced = std::collections::HashSet::new();
        let row = |(id, step, value): (u16, i64, Value)| {
            at += step;
            let name = (id > 4 && announced.insert(id)).then(|| format!("metric.{id}"));
            Record { id, timestamp: at, value, name }
        };
        let mut row = row;
        batches.into_iter().map(|batch| batch.into_iter().map(&mut row).collect()).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn wal_round_trip(batches in batches()) {
        let bytes = encode(&batches);
        let (records, summary) = decode_with(&bytes, &known_types());
        prop_assert_eq!(&records, &batches.concat());
        prop_assert!(summary.checksummed && summary.tail.is_none() && summary.damaged.is_empty());
        prop_assert_eq!(summary.whole_len, bytes.len() as u64);
        // The first record of the file is a batch of its own.
        let split = u64::from(batches[0].len() > 1);
        prop_assert_eq!(summary.batches, batches.len() as u64 + split);
    }

    /// Whatever is changed: no panic, and only records of whole batches come out, in order.
    #[test]
    fn a_changed_wal_gives_whole_batches_alone(batches in batches(), at in any::<prop::sample::Index>(), xor in 1u8.., cut in any::<prop::sample::Index>()) {
        let mut bytes = encode(&batches);
        let at = at.index(bytes.len());
        bytes[at] ^= xor;
        let types = known_types();
        let (records, _) = decode_with(&bytes, &types);
        // Matches whole batches from the front; the first record of the file may come or go alone.
        let mut parts: Vec<&[Record]> = batches.iter().map(Vec::as_slice).collect();
        let first = parts.remove(0);
        let (head, rest) = first.split_at(1);
        parts.splice(0..0, [head, rest]);
        let mut left = records.as_slice();
        for part in parts {
            if left.starts_with(part) {
                left = &left[part.len()..];
            }
        }
        prop_assert_eq!(left, &[][..], "byte {} of {}", at, bytes.len());
        bytes.truncate(cut.index(bytes.len()));
        decode_with(&bytes, &types);
    }

    #[test]
    fn any_bytes_are_no_wal_and_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let (records, summary) = decode_with(&bytes, &known_types());
        prop_assert_eq!(records.len() as u64, summary.records);
        prop_assert!(summary.whole_len <= bytes.len() as u64);
    }
}

/// The bytes that formats.md prescribes, put together by hand.
#[test]
fn wal_records_have_exactly_the_specified_bytes() {
    let bytes = encode(&[
        vec![record(0x0102, T, Value::Int32(7), Some("ab"))],
        vec![record(0x0102, T + 1, Value::Int32(8), None), record(0x0102, T + 0x0003_0201, Value::Int32(-1), None)],
    ]);
    // 6 fixed + 8 baseline + 1 + 2 + 1 name and type + 4 value + 4 checksum.
    let mut expected = vec![26, 0x02, 0x01, 0, 0, 0, 0xc0];
    expected.extend_from_slice(&T.to_le_bytes());
    expected.extend_from_slice(&[2, b'a', b'b', 1, 7, 0, 0, 0]);
    let crc = crc32fast::hash(&expected);
    expected.extend_from_slice(&crc.to_le_bytes());
    let second = expected.len();
    expected.extend_from_slice(&[18, 0x02, 0x01, 0, 0, 0, 0x80]);
    expected.extend_from_slice(&(T + 1).to_le_bytes());
    expected.extend_from_slice(&[8, 0, 0, 0]);
    expected.extend_from_slice(&[14, 0x02, 0x01, 0x00, 0x02, 0x03, 0, 0xff, 0xff, 0xff, 0xff]);
    let crc = crc32fast::hash(&expected[second..]);
    expected.extend_from_slice(&crc.to_le_bytes());
    assert_eq!(bytes, expected);
}

/// A delta has 24 bits: 16,777,215 ns is the most, and it is never negative.
#[test]
fn wal_baselines_are_renewed_when_the_delta_does_not_fit() {
    let steps: [(i64, bool); 6] =
        [(0, true), (0xff_ffff, false), (0x100_0000, true), (0x100_0001, false), (0, true), (-1, true)];
    let rows: Vec<Record> = steps.iter().map(|(d, _)| record(1, T + d, Value::Float32(1.5), None)).collect();
    // A first batch of its own, so that the records under test are one batch.
    let bytes = encode(&[vec![record(1, T, Value::Float32(0.5), Some("a"))], rows.clone()]);
    let mut baselines = Vec::new();
    let mut times = Vec::new();
    wal::decode(&bytes, &|_| None, &mut |r| {
        baselines.push(r.baseline);
        times.push(r.timestamp);
    });
    assert_eq!(baselines[1..], steps.map(|(_, new)| new));
    assert_eq!(times[1..], rows.iter().map(|r| r.timestamp).collect::<Vec<_>>());
}

/// int32 widens to int64: older records keep 4 bytes, whether the announcement or the catalog says that it is wide now.
#[test]
fn wal_of_a_metric_that_widened() {
    let batches = [
        vec![record(1, T, Value::Int32(-5), Some("a")), record(1, T + 1, Value::Int32(6), None)],
        vec![record(1, T + 2, Value::Int64(1 << 40), Some("a")), record(1, T + 3, Value::Int64(-7), None)],
        vec![record(1, T + 4, Value::Int64(8), None)],
    ];
    let bytes = encode(&batches);
    let as_integers = |records: Vec<Record>| -> Vec<i64> {
        let integer = |r: &Record| match r.value {
            Value::Int32(v) => i64::from(v),
            Value::Int64(v) => v,
            other => panic!("{other:?}"),
        };
        records.iter().map(integer).collect()
    };
    for catalog in [None, Some(ValueType::Int32), Some(ValueType::Int64)] {
        let types = catalog.map(|t| (1, t)).into_iter().collect();
        let (records, summary) = decode_with(&bytes, &types);
        assert_eq!(as_integers(records), [-5, 6, 1 << 40, -7, 8], "catalog says {catalog:?}");
        assert!(summary.tail.is_none() && summary.damaged.is_empty(), "{summary:?}");
    }
    // Without the announcement of its name, as after catalog.json was saved.
    let bytes = encode(&[vec![record(1, T, Value::Int32(1), None)], vec![record(1, T + 1, Value::Int32(2), None)]]);
    let (records, _) = decode_with(&bytes, &HashMap::from([(1, ValueType::Int64)]));
    assert_eq!(as_integers(records), [1, 2]);
}

/// The original's records carry no checksum.
#[test]
fn a_wal_without_checksums_is_read_record_by_record() {
    let mut bytes = vec![22, 1, 0, 0, 0, 0, 0xc0];
    bytes.extend_from_slice(&T.to_le_bytes());
    bytes.extend_from_slice(&[2, b'a', b'b', 2]);
    bytes.extend_from_slice(&1.5f32.to_le_bytes());
    bytes.extend_from_slice(&[10, 1, 0, 0x10, 0x27, 0, 0]);
    bytes.extend_from_slice(&2.5f32.to_le_bytes());
    let (records, summary) = decode_with(&bytes, &HashMap::new());
    let expected = [record(1, T, Value::Float32(1.5), Some("ab")), record(1, T + 10_000, Value::Float32(2.5), None)];
    assert_eq!(records, expected);
    assert!(!summary.checksummed && summary.tail.is_none());
    // Cut anywhere in the second record: the first stays, the tail is torn.
    let first = bytes.len() - 11;
    for len in first + 1..bytes.len() {
        let (records, summary) = decode_with(&bytes[..len], &HashMap::new());
        assert_eq!(records, expected[..1], "{len}");
        let tail = summary.tail.unwrap();
        assert_eq!((tail.from, tail.torn, summary.whole_len), (first as u64, true, first as u64), "{len}");
    }
    // A later record that is none: found, and not taken for a torn write.
    bytes[first] = 9;
    let (records, summary) = decode_with(&bytes, &HashMap::new());
    assert_eq!(records, expected[..1]);
    assert!(summary.tail.is_some_and(|t| !t.torn && t.from == first as u64));
}

/// Pages of n rows with ids, ascending timestamps and bits.
fn page_rows() -> impl Strategy<Value = (Vec<MetricId>, Vec<Timestamp>, Vec<u64>)> {
    let row = (1u16.., prop_oneof![Just(0i64), 0i64..1_000_000_000], prop_oneof![any::<u64>(), 0u64..200]);
    prop::collection::vec(row, 1..300).prop_map(|rows| {
        let mut at = T;
        let mut columns = (Vec::new(), Vec::new(), Vec::new());
        for (id, step, bits) in rows {
            at += step;
            columns.0.push(id);
            columns.1.push(at);
            columns.2.push(bits);
        }
        columns
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn pages_round_trip_in_every_codec((ids, timestamps, bits) in page_rows()) {
        let rows = Rows { ids: &ids, timestamps: &timestamps, bits: &bits };
        let n = ids.len() as u16;
        let mut scratch = Vec::new();
        let mut decoded = DecodedPage::default();
        for codec in registry().codecs() {
            for wide in [false, true] {
                let mut payload = Vec::new();
                page::encode(rows, wide, *codec, &mut scratch, &mut payload).unwrap();
                prop_assert!((payload.len() as u64) <= frame::max_payload_len(n), "{}", codec.name());
                // A bare block is marked by nothing: whatever wrote it, S2 reads it.
                let id = if !wide && codec.is_s2_block() { page::S2_CODEC_ID } else { codec.id() };
                prop_assert_eq!(Envelope::decode(&payload, n).unwrap().codec_id, id);
                let beginning = &payload[..payload.len().min(Envelope::MAX_LEN)];
                prop_assert!(Envelope::may_begin(beginning, n) && !Envelope::may_begin(beginning, n - 1));
                decoded.decode(&payload, n, registry()).unwrap();
                decoded.check_header(timestamps[0], timestamps[ids.len() - 1]).unwrap();
                prop_assert!(decoded.check_header(timestamps[0] - 1, timestamps[ids.len() - 1]).is_err());
                prop_assert_eq!(decoded.high().is_some(), wide);
                for i in 0..ids.len() {
                    // A page of 4-byte values keeps the low half of the bits.
                    let bits = if wide { bits[i] } else { u64::from(bits[i] as u32) };
                    prop_assert_eq!(decoded.row(i, |_| ValueType::Float32), Some((ids[i], timestamps[i], bits)));
                }
                // A changed byte decodes to an error or to as many rows: never to a panic or to more.
                let at = bits[0] as usize % payload.len();
                payload[at] ^= 1 << (bits[0] % 8);
                if decoded.decode(&payload, n, registry()).is_ok() {
                    prop_assert_eq!(decoded.rows(), ids.len());
                }
                payload.truncate(at);
                let _ = decoded.decode(&payload, n, registry());
            }
        }
    }

    #[test]
    fn any_bytes_decode_to_at_most_their_rows(body in prop::collection::vec(any::<u8>(), 0..200), rows in 1u16..200) {
        let mut decoded = DecodedPage::default();
        let _ = decoded.decode(&body, rows, registry());
        for codec in registry().codecs() {
            for row_len in [page::NARROW_ROW, page::WIDE_ROW] {
                let mut payload = vec![0, 1];
                payload.extend_from_slice(&codec.id().to_le_bytes());
                nanotdb_core::format::put_uvarint(&mut payload, u64::from(rows) * row_len as u64);
                payload.extend_from_slice(&body);
                if decoded.decode(&payload, rows, registry()).is_ok() {
                    prop_assert_eq!(decoded.rows(), usize::from(rows));
                    prop_assert_eq!(decoded.ids().len(), usize::from(rows));
                }
            }
        }
    }

    #[test]
    fn catalogs_round_trip(names in prop::collection::btree_set("[a-zA-Z0-9_.\\-/:\"\\\\äß]{1,40}", 0..30), types in prop::collection::vec(1u8..=4, 30)) {
        let entries: Vec<(String, u16, ValueType)> = names
            .into_iter()
            .zip(types)
            .enumerate()
            .map(|(i, (name, code))| (name, 65_535 - i as u16 * 7, ValueType::from_code(code).unwrap()))
            .collect();
        let bytes = catalog::encode(entries.iter().rev().map(|(n, id, t)| (n.as_str(), *id, *t)));
        let decoded = catalog::decode(&bytes).unwrap();
        // Sorted by name.
        prop_assert_eq!(decoded.into_iter().map(|e| (e.name, e.id, e.value_type)).collect::<Vec<_>>(), entries);
        let _ = catalog::decode(&bytes[..bytes.len() / 2]);
    }
}

/// An announced length is checked before memory is asked for.
#[test]
fn a_page_cannot_ask_for_more_than_its_rows_take() {
    let mut decoded = DecodedPage::default();
    for claimed in [0u64, 13, 15, 17, 19, 1 << 20, 1 << 40, u64::MAX] {
        for codec in registry().codecs() {
            let mut payload = vec![0, 1];
            payload.extend_from_slice(&codec.id().to_le_bytes());
            nanotdb_core::format::put_uvarint(&mut payload, claimed);
            payload.extend_from_slice(&[0; 40]);
            let error = decoded.decode(&payload, 1, registry()).unwrap_err();
            assert!(error.to_string().contains("does not fit 1 rows"), "{}: {claimed}: {error}", codec.name());
        }
    }
    // A bare S2 block that says 4 GiB, in a page of one row.
    assert!(decoded.decode(&[0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0], 1, registry()).is_err());
    let unknown = decoded.decode(&[0, 1, 0xff, 0xfe, 14, 0], 1, registry()).unwrap_err();
    assert!(unknown.incompatible && unknown.to_string().contains("65279"), "{unknown}");
    // What a later program wrote is no garbage.
    assert!(Envelope::may_begin(&[0, 1, 0xff, 0xfe, 14, 0], 1));
    assert!(Envelope::may_begin(&[0, 2], 1) && !Envelope::may_begin(&[0, 200], 1));
}

#[test]
fn catalogs_that_contradict_themselves_are_refused() {
    let refused = |text: &str, why: &str| {
        let error = catalog::decode(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(why), "{text}: {error}");
    };
    refused(r#"{"metrics":[{"name":"a","id":1,"type":2},{"name":"b","id":1,"type":2}]}"#, "id is used twice");
    refused(r#"{"metrics":[{"name":"a","id":1,"type":2},{"name":"a","id":2,"type":2}]}"#, "name is used twice");
    refused(r#"{"metrics":[{"name":"a","id":0,"type":2}]}"#, "ids start at 1");
    refused(r#"{"metrics":[{"name":"a","id":65536,"type":2}]}"#, "not a catalog");
    refused(r#"{"metrics":[{"name":"a","id":1,"type":5}]}"#, "type 5 is not known");
    refused(r#"{"metrics":[{"name":"a b","id":1,"type":1}]}"#, "a b");
    refused(r#"{"metrics":[{"name":"a","id":1,"type":1}]"#, "not a catalog");
    for text in ["", " \n", "{}", r#"{"metrics":null}"#, r#"{"metrics":[]}"#] {
        assert_eq!(catalog::decode(text.as_bytes()).unwrap(), [], "{text:?}");
    }
}

/// Frames of a file are found again behind damage of any length, also where a header lies across the search window's end.
#[test]
fn raw_files_are_read_on_behind_damage() {
    let codec = registry().codec("s2").unwrap();
    let frame_at = |t: i64| {
        let mut payload = Vec::new();
        let rows = Rows { ids: &[1, 2], timestamps: &[t, t + 1], bits: &[3, 4] };
        page::encode(rows, false, codec, &mut Vec::new(), &mut payload).unwrap();
        let mut out = Vec::new();
        frame::encode(t, t + 1, 2, &payload, &mut out);
        out
    };
    let day = registry().partitioner("day").unwrap().partition_of(T);
    let forever = Partition { start: i64::MIN, end: i64::MAX };
    let mut rng = Rng(5);
    let window = 1usize << 16;
    let lengths = (1..40).chain(window - 30..window + 5).chain([2 * window + 1]);
    for len in lengths {
        for partition in [day, forever] {
            let garbage: Vec<u8> = (0..len).map(|_| rng.next() as u8).collect();
            let (a, b, c) = (frame_at(T), frame_at(T + 10), frame_at(T + 20));
            let bytes = [&a[..], &garbage, &b, &c].concat();
            let vfs = SimVfs::new(1);
            let path = Path::new(ROOT).join("data-x.dat");
            vfs.put(&path, &bytes).unwrap();
            let index = RawFile::index(&vfs, &path, partition).unwrap();
            let starts: Vec<u64> = index.frames.iter().map(|f| f.offset).collect();
            let b_at = (a.len() + len) as u64;
            assert_eq!(starts, [0, b_at, b_at + b.len() as u64], "{len} bytes of garbage");
            let [damage] = &index.damaged[..] else { panic!("{:?}", index.damaged) };
            assert_eq!((damage.from, damage.to, damage.torn_tail), (a.len() as u64, b_at, false));
        }
    }
}
