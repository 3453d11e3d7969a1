//! Directories of others: no link inside a root is followed, and what root makes belongs to whom the directory does.

use crate::helpers::Bench;
use std::os::unix::fs::{MetadataExt, chown, lchown, symlink};
use std::path::Path;

/// Whom tests give files to.
const SOMEBODY: u32 = 65_534;

fn is_root() -> bool {
    let made = tempfile::NamedTempFile::new().unwrap();
    made.as_file().metadata().unwrap().uid() == 0
}

const LINE: &str = "pi/a 1 2024-05-06 12:00:00\n";

#[test]
fn no_file_behind_a_link_is_written_or_read() {
    for name in
        [".lock", "pi/pi.wal", "pi/catalog.json", "pi/manifest.toml", "pi/data-2024-05-07.dat", "pi/pi.wal.next"]
    {
        let bench = Bench::new();
        bench.import("root", LINE);
        let victim = bench.file("victim", "precious");
        let link = bench.path(&format!("root/{name}"));
        let _ = std::fs::remove_file(&link);
        symlink(&victim, &link).unwrap();
        let run = bench.run_with_input(&["import", "--root", "root", "--in", "-"], "pi/a 2 2024-05-07 12:00:00\n");
        assert_ne!(run.code, 0, "{name}: {}", run.stdout);
        assert!(
            run.stderr.contains("is a link") && run.stderr.contains(name.rsplit('/').next().unwrap()),
            "{name}: {}",
            run.stderr
        );
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious", "{name}");
        let read = bench.run(&["export", "--root", "root", "--db", "pi"]);
        assert!(!read.stdout.contains("precious") && !read.stderr.contains("precious"), "{name}: {}", read.stderr);
    }
}

/// Temporary names may be anybody's leftovers: what stands there is replaced, never written through.
#[test]
fn a_link_under_a_temporary_name_is_not_written_through() {
    let bench = Bench::new();
    bench.import("root", LINE);
    let victim = bench.file("victim", "precious");
    for name in ["catalog.json.tmp", "manifest.toml.tmp", "retention.journal.tmp"] {
        symlink(&victim, bench.path(&format!("root/pi/{name}"))).unwrap();
    }
    symlink(&victim, bench.path("root/.clock.tmp")).unwrap();
    bench.run_with_input(&["import", "--root", "root", "--in", "-"], "pi/b 2 2024-05-07 12:00:00\n");
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious");
}

/// A database on another disk is a link to its directory: one's own, or one that root made.
#[test]
fn a_database_may_be_ones_own_link_and_no_link_of_somebody_else() {
    let bench = Bench::new();
    bench.import("root", LINE);
    std::fs::rename(bench.path("root/pi"), bench.path("disk")).unwrap();
    symlink("../disk", bench.path("root/pi")).unwrap();
    bench.import("root", "pi/a 2 2024-05-07 12:00:00\n");
    assert_eq!(bench.run(&["export", "--root", "root", "--db", "pi"]).ok().lines().count(), 2);
    bench.run(&["verify", "--root", "root"]).ok();
    if !is_root() {
        return;
    }
    lchown(bench.path("root/pi"), Some(SOMEBODY), Some(SOMEBODY)).unwrap();
    let text = bench.run(&["export", "--root", "root", "--db", "pi"]).fails(1);
    assert!(text.contains(&SOMEBODY.to_string()) && text.contains("link"), "{text}");
    let run = bench.run_with_input(&["import", "--root", "root", "--in", "-"], "pi/a 3 2024-05-08 12:00:00\n");
    assert_ne!(run.code, 0, "{}", run.stdout);
    assert!(bench.run(&["verify", "--root", "root"]).code == 1);
    // A name that is no database yet leads nowhere either.
    std::fs::create_dir(bench.path("target")).unwrap();
    symlink("../target", bench.path("root/new")).unwrap();
    lchown(bench.path("root/new"), Some(SOMEBODY), Some(SOMEBODY)).unwrap();
    bench.run_with_input(&["import", "--root", "root", "--in", "-"], "new/a 3 2024-05-08 12:00:00\n");
    assert_eq!(std::fs::read_dir(bench.path("target")).unwrap().count(), 0);
}

fn owners(directory: &Path, found: &mut Vec<(String, u32)>) {
    for entry in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let metadata = entry.metadata().unwrap();
        found.push((entry.path().display().to_string(), metadata.uid()));
        if metadata.is_dir() {
            owners(&entry.path(), found);
        }
    }
}

/// One command of root in the service's directory left files that the service could not write.
#[test]
fn files_that_root_makes_belong_to_the_owner_of_the_directory() {
    if !is_root() {
        return;
    }
    let bench = Bench::new();
    bench.import("root", LINE);
    let mut all = vec![(bench.path("root").display().to_string(), 0)];
    owners(&bench.path("root"), &mut all);
    for (path, _) in &all {
        chown(path, Some(SOMEBODY), Some(SOMEBODY)).unwrap();
    }
    // One that root has made there before stays as it is.
    chown(bench.path("root/pi/manifest.toml"), Some(0), Some(0)).unwrap();
    let run = bench.run_with_input(
        &["import", "--root", "root", "--in", "-"],
        "pi/b 2 2024-05-07 12:00:00\nnew/a 2 2024-05-07 12:00:00\n",
    );
    assert!(run.stderr.contains("running as root") && run.stderr.contains(&SOMEBODY.to_string()), "{}", run.stderr);
    run.ok();
    let run = bench.run(&["compact", "--root", "root", "--db", "pi"]);
    assert!(run.stderr.contains("running as root"), "{}", run.stderr);
    run.ok();
    bench.run(&["build", "metric", "--root", "root", "--db", "pi"]).ok();
    assert!(bench.run(&["db", "create", "--root", "root", "house"]).stderr.contains("running as root"));
    let mut after = Vec::new();
    owners(&bench.path("root"), &mut after);
    assert!(after.len() > all.len() + 5, "{after:?}");
    for (path, owner) in after {
        let expected = if path.ends_with("pi/manifest.toml") { 0 } else { SOMEBODY };
        assert_eq!(owner, expected, "{path}");
    }
    // In one's own directory nothing is said.
    assert_eq!(
        bench.run_with_input(&["import", "--root", "mine", "--in", "-"], LINE).stderr.find("running as root"),
        None
    );
}

/// What reads does not need engine.toml; what would serve does.
#[test]
fn reading_commands_work_beside_a_damaged_engine_toml() {
    let bench = Bench::new();
    bench.import("root", LINE);
    let expected = bench.run(&["export", "--root", "root", "--db", "pi"]).ok();
    for damage in ["[wal\nfsync", "[wal]\nfsync_policy = 7\n", "\u{0}\u{1}", "limits = 3"] {
        bench.file("root/engine.toml", damage);
        let run = bench.run(&["export", "--root", "root", "--db", "pi"]);
        assert!(run.stderr.contains("engine.toml") && run.stderr.contains("defaults"), "{damage:?}: {}", run.stderr);
        assert_eq!(run.ok(), expected);
        for command in [
            &["query", "--root", "root", "--db", "pi", "--metric", "."][..],
            &["db", "list", "--root", "root"],
            &["inspect", "catalog", "--root", "root"],
            &["archive", "list", "--root", "root", "--db", "pi"],
            &["snapshot", "--root", "root", "--out", "copy"],
        ] {
            let run = bench.run(command);
            assert!(run.stderr.contains("engine.toml"), "{damage:?} {command:?}: {}", run.stderr);
            run.ok();
        }
        std::fs::remove_dir_all(bench.path("copy")).unwrap();
        let run = bench.run(&["verify", "--root", "root"]);
        assert_eq!(run.code, 1);
        assert!(run.stdout.contains("engine.toml") && run.stdout.contains("1 problem"), "{damage:?}: {}", run.stdout);
        // Nothing is written with settings that are not those of the file.
        bench.run_with_input(&["import", "--root", "root", "--in", "-"], LINE).fails(2);
    }
}
