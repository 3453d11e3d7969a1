//! `nanocli bench codecs`: figures that add up, on a bounded sample, without a trace.

use crate::build::three_days;
use crate::samples::files::snapshot;

#[test]
fn every_codec_is_measured_on_every_kind_of_block() {
    let bench = three_days();
    bench.import("root", "s/wide 5000000000i 2024-05-22 12:00:00\n");
    let before = snapshot(&bench.path("root"));
    let args = ["bench", "codecs", "--root", "root", "--db", "s"];
    let json = bench.run(&[&args[..], &["--json"]].concat()).json();
    assert_eq!((&json["rows"], &json["series"], &json["is_part"]), (&1_801.into(), &3.into(), &false.into()));
    let kinds = json["kinds"].as_array().unwrap();
    let names: Vec<_> = kinds.iter().map(|k| k["kind"].as_str().unwrap()).collect();
    assert_eq!(names, ["page", "int32", "float32", "int64", "timestamps"]);
    let plugins = bench.run(&["plugins", "--json"]).json();
    let codecs = plugins["plugins"].as_array().unwrap().iter().filter(|p| p["kind"] == "codec").count();
    for kind in kinds {
        let results = kind["codecs"].as_array().unwrap();
        assert_eq!(results.len(), codecs, "{kind}");
        let none = results.iter().find(|c| c["codec"] == "none").unwrap();
        assert_eq!(none["bytes"], kind["decoded_bytes"], "{kind}");
        let smallest = results.iter().map(|c| c["bytes"].as_u64().unwrap()).min().unwrap();
        let best = results.iter().find(|c| c["codec"] == kind["best"]["size"]).unwrap();
        assert_eq!(best["bytes"], smallest, "{kind}");
        for codec in results {
            assert!(codec["problem"].is_null(), "{codec}");
            assert!(codec["decode_megabytes_per_second"].as_f64().unwrap() > 0.0, "{codec}");
        }
    }
    assert_eq!((&kinds[0]["values"], &kinds[0]["decoded_bytes"]), (&1_801.into(), &(1_801 * 18).into()));
    // Both metrics have the same timestamps in each of three days: one vector, and one of the wide sample.
    assert_eq!((&kinds[4]["values"], &kinds[4]["blocks"]), (&901.into(), &2.into()));
    let text = bench.run(&args).ok();
    assert!(text.starts_with("1,801 samples of 3 metrics in s, 2024-05-20 00:00:00 for "), "{text}");
    assert!(text.contains("\ntimestamps: 901 values in 2 blocks") && text.contains('*'), "{text}");
    assert!(snapshot(&bench.path("root")) == before);
}

#[test]
fn the_sample_is_bounded_and_of_the_newest_or_of_one_partition() {
    let bench = three_days();
    let args = ["bench", "codecs", "--root", "root", "--db", "s", "--json", "--rows"];
    let json = bench.run(&[&args[..], &["240"]].concat()).json();
    assert_eq!((&json["rows"], &json["is_part"]), (&240.into(), &true.into()), "two hours of two metrics");
    let newest = bench.run(&["query", "--root", "root", "--db", "s", "--metric", "count", "--last", "--json"]).json();
    assert_eq!(json["end_ns"], newest["series"][0]["rows"][0]["timestamp_ns"]);
    let json = bench.run(&[&args[..], &["1000", "--part", "2024-05-20"]].concat()).json();
    assert_eq!((&json["rows"], &json["is_part"]), (&600.into(), &false.into()));
    let e = bench.run(&[&args[..], &["1000", "--part", "2024-05-01"]].concat()).fails(3);
    assert!(e.contains("2024-05-20, 2024-05-21, 2024-05-22"), "{e}");
    bench.run(&[&args[..], &["0"]].concat()).fails(2);
    bench.run(&["bench", "codecs", "--root", "absent", "--db", "s"]).fails(3);
}
