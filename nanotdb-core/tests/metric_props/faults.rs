//! A disk that is full or fails at each operation of a build: an error, nothing lost, and the next build works.

use crate::common::bench::send;
use crate::support::{
    ACTIONS, FORMATS, build, check, check_disk, check_verify, first_rows, late_rows, options, sealed, store,
};
use nanotdb_core::storage::vfs::sim::{Fault, SimVfs};

#[test]
fn a_disk_that_fails_at_each_operation_of_a_build() {
    for format in FORMATS {
        for action in ACTIONS {
            let bench = sealed(SimVfs::new(5), 10);
            let engine = bench.open();
            let mut lines = first_rows();
            store(&engine, &lines);
            // Half of it is there already.
            build(&engine, options(format, action)).unwrap();
            store(&engine, &late_rows(0));
            lines.extend(late_rows(0));
            bench.kill(engine);
            let options = options(format, action);
            for fault in [Fault::Enospc, Fault::Eio, Fault::ShortWrite] {
                let mut at = 1;
                loop {
                    let disk = bench.fork(bench.vfs.fork(at));
                    let engine = disk.open();
                    disk.vfs.set_trace(true);
                    let before = disk.vfs.operation_count();
                    disk.vfs.fail_at(at, fault);
                    let outcome = build(&engine, options);
                    let operations = disk.vfs.operation_count() - before;
                    disk.vfs.clear_faults();
                    if at > operations {
                        break;
                    }
                    let struck = disk.vfs.trace().get(at as usize - 1).cloned().unwrap_or_default();
                    let context = format!("{format:?}, {action:?}, {fault:?} at {at}: {struck}: {outcome:?}");
                    check(&engine, &lines, &context);
                    if struck.contains(".tmp") {
                        assert!(outcome.is_err(), "{context}");
                        assert_eq!(engine.health(), [], "{context}");
                        check_disk(&disk, &context);
                    }
                    let mut now = lines.clone();
                    if engine.health().is_empty() {
                        let late = late_rows(1);
                        send(&engine, &late);
                        now.extend(late);
                        check(&engine, &now, &context);
                        build(&engine, options).unwrap_or_else(|e| panic!("{context}: a later build: {e}"));
                        check(&engine, &now, &format!("{context}: built"));
                    }
                    // The cruellest moment: what the failed call left behind must not count.
                    disk.power_loss(engine);
                    let engine = disk.open();
                    check(&engine, &now, &format!("{context}: after a power cut"));
                    build(&engine, options).unwrap_or_else(|e| panic!("{context}: a build after it: {e}"));
                    check(&engine, &now, &format!("{context}: built after a power cut"));
                    engine.close().unwrap();
                    check_verify(&disk, &context);
                    at += 1;
                }
                assert!(at > 3, "{at}");
            }
        }
    }
}

#[test]
fn a_read_that_fails_during_a_build() {
    for format in FORMATS {
        for action in ACTIONS {
            let bench = sealed(SimVfs::new(5), 10);
            let engine = bench.open();
            let lines = first_rows();
            store(&engine, &lines);
            bench.kill(engine);
            for at in 1.. {
                let disk = bench.fork(bench.vfs.fork(at));
                let engine = disk.open();
                let before = disk.vfs.read_count();
                disk.vfs.fail_read_at(at);
                let outcome = build(&engine, options(format, action));
                let reads = disk.vfs.read_count() - before;
                disk.vfs.clear_faults();
                if at > reads {
                    break;
                }
                let context = format!("{format:?}, {action:?}, read {at} of {reads}: {outcome:?}");
                check(&engine, &lines, &context);
                check_disk(&disk, &context);
                assert_eq!(engine.health(), [], "{context}");
                build(&engine, options(format, action)).unwrap();
                check(&engine, &lines, &format!("{context}: built"));
            }
        }
    }
}
