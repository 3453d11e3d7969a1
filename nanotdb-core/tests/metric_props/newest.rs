//! Newest samples of metrics that are in metric files, raw pages and open pages of several partitions.

use crate::common::bench::{Line, int, send};
use crate::support::{DAY, FORMATS, HOUR, check, options, sealed};
use nanotdb_core::config::RawIngestAction;
use nanotdb_core::engine::{Engine, Selection};
use nanotdb_core::model::Number;
use nanotdb_core::storage::vfs::sim::SimVfs;
use std::ops::ControlFlow;

fn build_day(engine: &Engine, day: &str, format: nanotdb_core::config::MetricFileFormat) {
    let options = options(format, RawIngestAction::Delete);
    let built = engine.build_metric_files("pi", Selection::Named(day), options, &mut |_| ControlFlow::Continue(()));
    assert_eq!(built.unwrap().len(), 1);
}

/// Looking one metric up meets others on the way. Those in a younger metric file must not be remembered from older pages.
#[test]
fn a_metric_met_in_an_older_page_is_newer_in_a_metric_file() {
    for format in FORMATS {
        for in_page in [false, true] {
            let context = format!("{format:?}, in a page {in_page}");
            let bench = sealed(SimVfs::new(1), 1_000);
            let engine = bench.open();
            let mut lines: Vec<Line> = vec![("pi", "a", int(1), DAY + HOUR), ("pi", "w", int(2), DAY + HOUR)];
            if in_page {
                // The younger day's file is there first: its page is flushed and built, the older day's is open.
                lines.push(("pi", "a", int(3), DAY + 30 * HOUR));
                send(&engine, &lines);
                build_day(&engine, "2026-05-21", format);
            } else {
                send(&engine, &lines);
                engine.flush().unwrap();
                lines.push(("pi", "a", int(3), DAY + 30 * HOUR));
                send(&engine, &lines[2..]);
                build_day(&engine, "2026-05-21", format);
            }
            bench.kill(engine);
            let engine = bench.open();
            let newest = engine.query_last("pi", "w").unwrap().map(|s| s.timestamp);
            assert_eq!(newest, Some(DAY + HOUR), "{context}");
            let newest = engine.query_last("pi", "a").unwrap().map(|s| s.timestamp);
            assert_eq!(newest, Some(DAY + 30 * HOUR), "{context}");
            let old = engine.add_sample("pi", "a", Number::integer(9), Some(DAY + 2 * HOUR));
            assert!(old.is_err(), "{context}: order is checked");
            check(&engine, &lines, &context);
        }
    }
}

/// The raw file is gone; what comes next is, byte for byte, what it was. Whoever writes the first frame of a data file must
/// see to it that it does not end as a source of the metric file beside it does (another codec, or two frames).
#[test]
fn rows_that_are_sent_again_as_they_were_count_twice() {
    for format in FORMATS {
        for rebuild in [false, true] {
            let context = format!("{format:?}, built again {rebuild}");
            let bench = sealed(SimVfs::new(1), 1_000);
            let engine = bench.open();
            let page: [Line; 2] = [("pi", "a", int(1), DAY + HOUR), ("pi", "b", int(2), DAY + HOUR)];
            let mut lines = Vec::new();
            for round in 0..3 {
                send(&engine, &page);
                engine.flush().unwrap();
                lines.extend(page);
                check(&engine, &lines, &format!("{context}, round {round}: before"));
                if rebuild || round == 0 {
                    build_day(&engine, "2026-05-20", format);
                }
                check(&engine, &lines, &format!("{context}, round {round}"));
            }
            engine.close().unwrap();
            check(&bench.open(), &lines, &format!("{context}: after a restart"));
        }
    }
}
