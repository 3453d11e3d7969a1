use super::*;
use crate::config::Manifest;

fn resolve(rollups: &str) -> Result<Vec<Job>> {
    let text = format!("[rollups]\nenabled = true\n{rollups}");
    let manifest = Manifest::parse(&text, Path::new("pi/manifest.toml"), &Manifest::default())?.value;
    Job::resolve(&manifest.rollups, Path::new("pi/manifest.toml"))
}

/// The example of the seed's table.
const EXAMPLE: &str = r#"
default_grace = "5m"
default_interval = "1h"
default_destination_db = "sensors_rollup_1h"
default_aggregates = ["min", "max"]
global_exclude_patterns = ["nanotdb.*", "*.debug"]
[[rollups.jobs]]
id = "all_metrics_1h"
source_pattern = "*"
exclude_patterns = ["disk.sd_write_probe_ms", "net.*"]
[[rollups.jobs]]
id = "outside_temp_1d"
source_metric = "temp.out_dry"
interval = "24h"
grace = "0s"
aggregates = ["sum", "p95", "sum"]
destination_db = "sensors_1d"
destination_metric_prefix = "outside"
"#;

#[test]
fn defaults_fill_in_what_a_job_leaves_open() {
    let jobs = resolve(EXAMPLE).unwrap();
    let [all, outside] = jobs.as_slice() else { panic!("{}", jobs.len()) };
    let names = |job: &Job| job.aggregators.iter().map(|a| a.name()).collect::<Vec<_>>();
    assert_eq!(
        (all.interval, all.grace, all.destination.as_str()),
        (3_600_000_000_000, 300_000_000_000, "sensors_rollup_1h")
    );
    assert_eq!(names(all), ["min", "max"]);
    assert_eq!((outside.interval, outside.grace, outside.destination.as_str()), (86_400_000_000_000, 0, "sensors_1d"));
    assert_eq!(names(outside), ["sum", "p95"]);
    assert_eq!(all.key("cpu.busy"), "all_metrics_1h::cpu.busy");
    assert_eq!(outside.key("temp.out_dry"), "outside_temp_1d");
    assert_eq!(all.output("cpu.busy", all.aggregators[0]), "cpu.busy.min");
    assert_eq!(outside.output("temp.out_dry", outside.aggregators[1]), "outside.p95");
}

#[test]
fn patterns_leave_out_what_is_excluded() {
    let jobs = resolve(EXAMPLE).unwrap();
    let taken = |job: usize, metric: &str| jobs[job].selects(metric);
    for (metric, expected) in [
        ("cpu.busy", true),
        ("net.eth0", false),
        ("disk.sd_write_probe_ms", false),
        ("a.debug", false),
        ("nanotdb.x", false),
    ] {
        assert_eq!(taken(0, metric), expected, "{metric}");
    }
    assert!(taken(1, "temp.out_dry") && !taken(1, "temp.out_dry2"));
}

#[test]
fn a_bucket_is_due_when_its_end_and_the_grace_are_over() {
    let job = &resolve(EXAMPLE).unwrap()[0];
    let hour = 3_600_000_000_000;
    let grace = 300_000_000_000;
    assert_eq!(job.due(7 * hour + grace - 1), 6 * hour);
    assert_eq!(job.due(7 * hour + grace), 7 * hour);
    assert_eq!(job.due(-grace), -hour, "before the epoch");
    assert_eq!(job.bucket(-1), -hour);
}

#[test]
fn without_any_aggregates_there_are_those_of_the_original() {
    let jobs =
        resolve("[[rollups.jobs]]\nid = \"a\"\nsource_metric = \"m\"\ninterval = \"1m\"\ndestination_db = \"d\"\n");
    let names: Vec<_> = jobs.unwrap()[0].aggregators.iter().map(|a| a.name()).collect();
    assert_eq!(names, ["min", "max", "sum", "avg", "count"]);
}

#[test]
fn a_duration_that_timestamps_cannot_hold_is_refused() {
    let job = "[[rollups.jobs]]\nid = \"a\"\nsource_metric = \"m\"\ninterval = \"1m\"\ndestination_db = \"d\"\n";
    let mut manifest = Manifest::parse(
        &format!("[rollups]\nenabled = true\n{job}"),
        Path::new("x/manifest.toml"),
        &Manifest::default(),
    )
    .unwrap()
    .value;
    manifest.rollups.jobs[0].interval = Some(Duration::MAX);
    let error = Job::resolve(&manifest.rollups, Path::new("x/manifest.toml")).err().unwrap().to_string();
    assert!(error.contains("interval") && error.contains("292 years"), "{error}");
}

#[test]
fn an_id_that_would_break_the_checkpoint_log_is_refused() {
    let error = resolve("[[rollups.jobs]]\nid = \"a\\nb\"\nsource_metric = \"m\"\n").err().unwrap().to_string();
    assert!(error.contains("control characters"), "{error}");
}
