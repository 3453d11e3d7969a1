use crate::helpers::{Bench, copy_directory, snapshot};
use std::path::Path;

#[test]
fn the_catalog_lists_ids_names_and_types() {
    let bench = Bench::new();
    bench.import("root", "d/b 1.5 1000\nd/a 7i 1000\n");
    let text = bench.run(&["inspect", "catalog", "--root", "root", "--db", "d"]).ok();
    assert_eq!(text, "d: 2 metrics\nID  METRIC  TYPE\n 2  a       int32\n 1  b       float32\n");
    let json = bench.run(&["inspect", "catalog", "--root", "root", "--json"]).json();
    assert_eq!(json["databases"][0]["metrics"][1]["type"], "float32");
}

/// The golden directory of a server of the original that was killed: its WAL holds rows that no page has.
fn killed_root() -> Option<std::path::PathBuf> {
    let golden = std::env::var_os("NANOTDB_GOLDEN").unwrap_or_else(|| "/work/shared/golden".into());
    let root = Path::new(&golden).join("wal-killed-mid-tick/root");
    root.exists().then_some(root)
}

#[test]
fn reading_commands_leave_a_killed_root_untouched_and_see_its_wal() {
    let bench = Bench::new();
    let root = bench.path("root");
    match killed_root() {
        Some(golden) => copy_directory(&golden, &root),
        // Without the golden files, a clean root still shows that nothing is written.
        None => bench.import("root", "pi/a 1 1000\npi/b 2.5 2000\n"),
    }
    let before = snapshot(&root);
    let catalog = bench.run(&["inspect", "catalog", "--root", "root", "--json"]).json();
    let database = catalog["databases"][0]["database"].as_str().unwrap().to_owned();
    let exported = bench.run(&["export", "--root", "root", "--db", &database]).ok();
    bench.run(&["query", "--root", "root", "--db", &database, "--metric", "."]).ok();
    bench.run(&["query", "--root", "root", "--db", &database, "--metric", ".", "--last", "--json"]).json();
    assert!(before == snapshot(&root), "a reading command changed the directory");
    if let Some(golden) = killed_root() {
        let expected = std::fs::read_to_string(golden.with_file_name("expected.tsv")).unwrap();
        let rows = expected.lines().filter(|l| l.split('\t').next() == Some(&database)).count();
        assert_eq!(exported.lines().filter(|l| !l.starts_with('#')).count(), rows);
    }
}
