//! Number 26 of the list: what was sent is what comes back, through the command line.

use crate::helpers::Bench;
use std::collections::BTreeMap;

/// Values of an export by series and time, as text without the mark of its type.
fn exported(bench: &Bench, database: &str) -> BTreeMap<(String, String), String> {
    let text = bench.run(&["export", "--root", "root", "--db", database]).ok();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (series, rest) = line.rsplit_once(' ').unwrap();
            let (series, date) = series.rsplit_once(' ').unwrap();
            let (series, value) = series.rsplit_once(' ').unwrap();
            let value = value.trim_end_matches('i').trim_end_matches(".0").to_owned();
            ((series.to_owned(), format!("{date} {}", rest.trim_end_matches(".000000000"))), value)
        })
        .collect()
}

#[test]
fn r26_decimals_of_meters_come_back_as_they_were_sent() {
    let sent = "\
e/house.kwh 123456.781 2024-05-06 12:00:00
e/house.kwh 123456.784 2024-05-06 12:01:00
e/house.kwh 123456.789 2024-05-06 12:02:00
e/house.wh 18228934.0 2024-05-06 12:00:00
e/house.wh 18228935.0 2024-05-06 12:01:00
e/house.wh 18228937.0 2024-05-06 12:02:00
e/gas.m3 98765.432 2024-05-06 12:00:00
e/rain.mm 0.2794 2024-05-06 12:00:00
e/x 20000001.5 2024-05-06 12:00:00
e/lat 52.5200066 2024-05-06 12:00:00
e/tiny 1e-46 2024-05-06 12:00:00
";
    let bench = Bench::new();
    bench.import("root", sent);
    let found = exported(&bench, "e");
    let mut expected = BTreeMap::new();
    for line in sent.lines() {
        let [series, value, date, time] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let value = match value {
            "1e-46" => format!("0.{}1", "0".repeat(45)),
            value => value.trim_end_matches(".0").to_owned(),
        };
        expected.insert((series.to_owned(), format!("{date} {time}")), value);
    }
    assert_eq!(found, expected);
    // And again by way of an export.
    let first = bench.run(&["export", "--root", "root", "--db", "e"]).ok();
    bench.run_with_input(&["import", "--root", "copy", "--in", "-"], &first).ok();
    assert_eq!(bench.run(&["export", "--root", "copy", "--db", "e"]).ok(), first);
}

#[test]
fn r26_counters_of_prometheus_text_are_float64() {
    let bench = Bench::new();
    for (bytes, idle, at) in
        [("1.234567890123e+12", "2345678.91", 1_715_000_000), ("1.234567905123e+12", "2345679.03", 1_715_000_015)]
    {
        let text = format!(
            "# TYPE node_network_receive_bytes_total counter\nnode_network_receive_bytes_total{{device=\"eth0\"}} {bytes} {at}000\n\
             node_boot_time_seconds 1.714996798e+09 {at}000\nnode_cpu_seconds_total{{cpu=\"0\"}} {idle} {at}000\nup 1 {at}000\n"
        );
        let args = ["import", "--root", "root", "--format", "prometheus", "--db", "node", "--in", "-"];
        bench.run_with_input(&args, &text).ok();
    }
    let found = exported(&bench, "node");
    let at = |series: &str, time: &str| found[&(format!("node/{series}"), format!("2024-05-06 {time}"))].clone();
    let bytes = "node_network_receive_bytes_total{device=\"eth0\"}";
    assert_eq!((at(bytes, "12:53:20"), at(bytes, "12:53:35")), ("1234567890123".into(), "1234567905123".into()));
    assert_eq!(at("node_boot_time_seconds", "12:53:35"), "1714996798");
    let idle = "node_cpu_seconds_total{cpu=\"0\"}";
    assert_eq!((at(idle, "12:53:20"), at(idle, "12:53:35")), ("2345678.91".into(), "2345679.03".into()));
    let types = bench.run(&["inspect", "catalog", "--root", "root", "--json"]).json();
    let metrics = types["databases"][0]["metrics"].as_array().unwrap();
    assert!(metrics.iter().all(|metric| metric["type"] == "float64") && metrics.len() == 4, "{metrics:?}");
}

#[test]
fn r26_whole_numbers_first_and_decimals_later_are_all_stored() {
    let bench = Bench::new();
    let at = |minute: u8| format!("2024-05-06 12:0{minute}:00");
    let lines: String =
        (0..).zip(["20", "20.1", "20.0", "19.9"]).map(|(i, v)| format!("h/temp {v} {}\n", at(i))).collect();
    bench.import("root", &lines);
    let found: Vec<String> = exported(&bench, "h").into_values().collect();
    assert_eq!(found, ["20", "20.1", "20", "19.9"]);
    let csv = "time,temp,hum\n2024-03-01 00:00,20,45\n2024-03-01 00:10,20.5,45\n2024-03-01 00:20,21,45.5\n";
    bench.run_with_input(&["csv", "--root", "root", "--db", "c", "--in", "-"], csv).ok();
    let found: Vec<String> = exported(&bench, "c").into_values().collect();
    assert_eq!(found, ["45", "45", "45.5", "20", "20.5", "21"]);
    bench.run(&["verify", "--root", "root"]).ok();
}

#[test]
fn r26_directories_with_an_engine_toml_of_the_original_keep_its_law() {
    let bench = Bench::new();
    std::fs::create_dir(bench.path("root")).unwrap();
    std::fs::write(bench.path("root/engine.toml"), "[engine]\nlisten = \":8428\"\n").unwrap();
    let input = bench.file("in.lp", "h/temp 20\nh/temp 20.5\n");
    let e = bench.run(&["import", "--root", "root", "--in", &input]).fails(1);
    assert!(e.contains("20.5 is a float, but the metric is int32") && e.contains("mixing = \"widen\""), "{e}");
    std::fs::write(bench.path("root/engine.toml"), "[values]\nmixing = \"widen\"\n").unwrap();
    bench.run(&["import", "--root", "root", "--in", &input]).ok();
}

#[test]
fn r26_rollups_of_integers_are_exact() {
    let bench = Bench::new();
    std::fs::create_dir_all(bench.path("root/house")).unwrap();
    let manifest = "[rollups]\nenabled = true\ndefault_interval = \"1h\"\ndefault_grace = \"5m\"\n\
        default_destination_db = \"house_1h\"\ndefault_aggregates = [\"min\",\"max\",\"avg\",\"sum\",\"count\"]\n\
        [[rollups.jobs]]\nid = \"all\"\nsource_pattern = \"*\"\n";
    std::fs::write(bench.path("root/house/manifest.toml"), manifest).unwrap();
    let line = |i: i64| format!("house/meter.wh {} 2024-03-28 {:02}:{:02}:00\n", 18_228_935 + 2 * i, i / 60, i % 60);
    bench.import("root", &(0..180).map(line).collect::<String>());
    bench.run(&["rollup", "--root", "root"]).ok();
    let found = exported(&bench, "house_1h");
    for (hour, min, max, avg, sum) in [
        (0, "18228935", "18229053", "18228994", "1093739640"),
        (1, "18229055", "18229173", "18229114", "1093746840"),
        (2, "18229175", "18229293", "18229234", "1093754040"),
    ] {
        for (aggregate, expected) in [("min", min), ("max", max), ("avg", avg), ("sum", sum), ("count", "60")] {
            let key = (format!("house_1h/meter.wh.{aggregate}"), format!("2024-03-28 0{hour}:00:00"));
            assert_eq!(found[&key], expected, "{key:?}");
        }
    }
    // The counter passes 2^31 after it was rolled up: what is there stays, and what comes is exact.
    let line = |i: i64| format!("house/meter.wh {} 2024-03-28 03:{i:02}:00\n", 2_148_381_250 + i);
    bench.import("root", &(0..60).map(line).collect::<String>());
    bench.run(&["rollup", "--root", "root"]).ok();
    let found = exported(&bench, "house_1h");
    let at = |aggregate: &str, hour: u8| {
        found[&(format!("house_1h/meter.wh.{aggregate}"), format!("2024-03-28 0{hour}:00:00"))].clone()
    };
    assert_eq!((at("max", 3), at("min", 3)), ("2148381309".to_owned(), "2148381250".to_owned()));
    assert_eq!((at("max", 0), at("min", 0)), ("18229053".to_owned(), "18228935".to_owned()));
}
