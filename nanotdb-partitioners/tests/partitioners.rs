//! The four partitioners: golden names, edges of time, laws.

use nanotdb_core::model::Timestamp;
use nanotdb_core::plugin::registry::registry;
use nanotdb_core::plugin::{Partition, Partitioner, conformance};
use nanotdb_partitioners::{Day, Forever, Month, Year};
use proptest::prelude::*;

const ALL: [&dyn Partitioner; 4] = [&Day, &Month, &Year, &Forever];
/// 2026-05-22T13:14:15.000000016Z (`date -u -d 2026-05-22T13:14:15 +%s`).
const MAY_22: Timestamp = 1_779_455_655_000_000_016;
const SECOND: i64 = 1_000_000_000;

#[test]
fn all_four_hold_the_laws_of_partitioners() {
    for p in ALL {
        conformance::partitioner(p).unwrap_or_else(|e| panic!("{}: {e}", p.name()));
    }
}

#[test]
fn the_registry_knows_them_by_name_and_kind() {
    let known: Vec<_> = registry().partitioners().iter().map(|p| (p.name(), p.kind_id())).collect();
    assert_eq!(known, [("day", 1), ("forever", 4), ("month", 2), ("year", 3)]);
    registry().check().unwrap();
}

#[test]
fn file_parts_and_archive_buckets_are_those_of_the_format() {
    let expected = [("2026-05-22", "2026-05"), ("2026-05", "2026"), ("2026", "forever"), ("forever", "forever")];
    for (p, (part, bucket)) in ALL.iter().zip(expected) {
        let partition = p.partition_of(MAY_22);
        assert_eq!(p.file_part(partition), part);
        assert_eq!(p.archive_bucket(partition), bucket);
        assert_eq!(p.parse_part(part), Some(partition));
    }
}

#[test]
fn bounds_are_utc_midnights() {
    // date -u -d 2026-05-22 +%s, and so on.
    let seconds = |start: i64, end: i64| Partition { start: start * SECOND, end: end * SECOND };
    assert_eq!(Day.partition_of(MAY_22), seconds(1_779_408_000, 1_779_494_400));
    assert_eq!(Month.partition_of(MAY_22), seconds(1_777_593_600, 1_780_272_000));
    assert_eq!(Year.partition_of(MAY_22), seconds(1_767_225_600, 1_798_761_600));
    assert_eq!(Day.partition_of(-1), seconds(-86_400, 0));
    assert_eq!(Month.partition_of(-1), seconds(-2_678_400, 0));
    assert_eq!(Year.partition_of(-1), seconds(-31_536_000, 0));
}

#[test]
fn the_ends_of_time_have_partitions() {
    let parts: Vec<_> =
        ALL.iter().map(|p| (p.file_part(p.partition_of(i64::MIN)), p.file_part(p.partition_of(i64::MAX)))).collect();
    let named = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    let expected = [
        named("1677-09-21", "2262-04-11"),
        named("1677-09", "2262-04"),
        named("1677", "2262"),
        named("forever", "forever"),
    ];
    assert_eq!(parts, expected);
    for p in ALL {
        assert_eq!(p.partition_of(i64::MIN).start, i64::MIN);
        assert_eq!(p.partition_of(i64::MAX).end, i64::MAX);
        assert!(p.partition_of(i64::MAX).contains(i64::MAX));
    }
}

#[test]
fn other_spellings_are_not_parts() {
    for part in [
        "2026-5-1",
        "2026-02-30",
        "2026-02-00",
        "2026-13-01",
        "2026-00-10",
        "2026-05-22 ",
        " 2026-05-22",
        "2026-05-2",
        "2026/05/22",
        "20260522",
        "+026-05-22",
        "2026-05--2",
        "1677-09-20",
        "2262-04-12",
        "2026-05",
        "2026",
        "",
        "é26-05-22",
    ] {
        assert_eq!(Day.parse_part(part), None, "{part:?}");
    }
    for part in ["2026-5", "2026-13", "2026-00", "2026-05-22", "1677-08", "2262-05", "2026-+5", "2026", "", "2026é5"] {
        assert_eq!(Month.parse_part(part), None, "{part:?}");
    }
    for part in ["26", "02026", "1676", "2263", "+202", "-202", "2026-05", "", "forever"] {
        assert_eq!(Year.parse_part(part), None, "{part:?}");
    }
    for part in ["Forever", "forever ", "", "2026"] {
        assert_eq!(Forever.parse_part(part), None, "{part:?}");
    }
}

proptest! {
    #[test]
    fn a_moment_is_in_its_partition_and_the_part_leads_back(ts: i64) {
        for p in ALL {
            let partition = p.partition_of(ts);
            prop_assert!(partition.contains(ts));
            prop_assert_eq!(p.parse_part(&p.file_part(partition)), Some(partition));
        }
    }

    #[test]
    fn partitions_are_contiguous(ts: i64) {
        for p in ALL {
            let partition = p.partition_of(ts);
            if partition.end != i64::MAX {
                prop_assert_eq!(p.partition_of(partition.end).start, partition.end);
                prop_assert_eq!(p.partition_of(partition.end - 1), partition);
            }
            if partition.start != i64::MIN {
                prop_assert_eq!(p.partition_of(partition.start - 1).end, partition.start);
                prop_assert_eq!(p.partition_of(partition.start), partition);
            }
        }
    }

    #[test]
    fn any_text_parses_to_nothing_or_to_what_it_names(text in "[0-9forev-]{0,12}|\\PC{0,12}") {
        for p in ALL {
            if let Some(partition) = p.parse_part(&text) {
                prop_assert_eq!(p.file_part(partition), text.as_str());
            }
        }
    }
}
