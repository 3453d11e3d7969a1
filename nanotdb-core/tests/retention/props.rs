//! Random manifests, clocks and data: only what is expired by a right clock goes, and everything else is there once.

use crate::common::bench::{Bench, Line, int, send};
use crate::common::rng::Rng;
use crate::support::{DAY, HOUR, MAY_20, check, check_verify, files, keeping, machine};
use nanotdb_core::config::{RawIngestAction, RetentionAction};
use nanotdb_core::engine::{BuildOptions, Engine, Selection};
use nanotdb_core::maintenance::archive::{Wanted, list, restore};
use nanotdb_core::plugin::Partition;
use nanotdb_core::plugin::registry::registry;
use nanotdb_core::storage::vfs::Vfs;
use std::ops::ControlFlow;
use std::time::Duration;

const METRICS: [&str; 4] = ["a", "b", "c", "d"];

struct World {
    bench: Bench,
    engine: Option<Engine>,
    rng: Rng,
    /// What the time is, whatever the clock says.
    right: i64,
    wrong_by: i64,
    days: i64,
    action: RetentionAction,
    partition: &'static str,
    there: Vec<Line>,
    archived: Vec<Line>,
    newest: [i64; METRICS.len()],
    removed: usize,
    context: String,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = Rng(seed ^ 0xca1e);
        let actions = [
            RetentionAction::Delete,
            RetentionAction::Archive,
            RetentionAction::Delete,
            RetentionAction::Archive,
            RetentionAction::Keep,
        ];
        let action = actions[rng.below(5) as usize];
        let partition = ["day", "day", "month", "year", "forever"][rng.below(5) as usize];
        let days = [1, 2, 7, 40][rng.below(4) as usize];
        let mut config = keeping(days as u32, action, partition);
        config.metrics.enabled = rng.below(2) == 0;
        config.metrics.raw_ingest_action =
            [RawIngestAction::Keep, RawIngestAction::Rename, RawIngestAction::Delete][rng.below(3) as usize];
        let context = format!("seed {seed}: {action:?} {partition} {days} days");
        Self {
            bench: machine(config, MAY_20),
            engine: None,
            rng,
            right: MAY_20,
            wrong_by: 0,
            days,
            action,
            partition,
            there: Vec::new(),
            archived: Vec::new(),
            newest: [i64::MIN; METRICS.len()],
            removed: 0,
            context,
        }
    }

    fn engine(&self) -> &Engine {
        self.engine.as_ref().unwrap()
    }

    fn open(&mut self) {
        self.engine = Some(self.bench.open());
    }

    fn partition(&self, time: i64) -> Partition {
        registry().partitioner(self.partition).unwrap().partition_of(time)
    }

    /// Time passes while the process runs.
    fn pass(&mut self, nanos: i64) {
        self.right += nanos;
        self.bench.clock.advance(Duration::from_nanos(nanos as u64));
    }

    fn set_clock(&mut self, wrong_by: i64) {
        self.wrong_by = wrong_by;
        self.bench.clock.set_wall(self.right + wrong_by);
    }

    fn tick(&mut self) {
        let report = self.engine().tick();
        assert_eq!(report.errors(), Vec::<&str>::new(), "{}", self.context);
        for removed in report.databases.iter().flat_map(|d| &d.removed) {
            let partition = registry().partitioner(self.partition).unwrap().parse_part(&removed.partition).unwrap();
            let age = self.right - partition.end;
            assert!(
                age >= self.days * DAY,
                "{}: {} went {} h after its end",
                self.context,
                removed.partition,
                age / HOUR
            );
            let (gone, there): (Vec<_>, Vec<_>) = self.there.drain(..).partition(|line| partition.contains(line.3));
            self.there = there;
            if self.action == RetentionAction::Archive {
                self.archived.extend(gone);
            }
            self.removed += 1;
        }
    }

    fn write(&mut self) {
        let mut lines: Vec<Line> = Vec::new();
        for _ in 0..1 + self.rng.below(8) {
            let at = self.rng.below(METRICS.len() as u64) as usize;
            // Now, some hours ago, or what a sender with a wrong clock says.
            let lag = [0, 0, self.rng.below(30) as i64 * HOUR, -400 * DAY]
                [self.rng.below(if at == 3 { 4 } else { 3 }) as usize];
            let time = self.right - lag + self.rng.below(1_000) as i64;
            // Not older than the metric's newest, and of no partition that is expired.
            if time < self.newest[at] || self.partition(time).end.saturating_add(self.days * DAY) <= self.right {
                continue;
            }
            self.newest[at] = time;
            lines.push(("pi", METRICS[at], int(self.rng.below(1_000) as i32), time));
        }
        if !lines.is_empty() {
            send(self.engine(), &lines);
        }
        self.there.extend(lines);
    }

    /// Hours of a wrong clock, with looks at it every now and then, and back.
    fn leap(&mut self) {
        let by = [73 * 365 * DAY, 30 * DAY, 2 * DAY, -10 * DAY, -40 * 365 * DAY][self.rng.below(5) as usize];
        self.set_clock(by);
        for _ in 0..1 + self.rng.below(20) {
            self.tick();
            self.pass(HOUR);
            if self.rng.below(8) == 0 {
                self.restart();
            }
        }
        self.set_clock(0);
        self.tick();
        self.pass(HOUR);
        self.tick();
    }

    fn restart(&mut self) {
        let engine = self.engine.take().unwrap();
        match self.rng.below(3) {
            0 => engine.close().unwrap(),
            1 => self.bench.kill(engine),
            _ => self.bench.power_loss(engine),
        }
        let off = [0, HOUR, 3 * DAY, 60 * DAY][self.rng.below(4) as usize];
        self.right += off;
        self.set_clock(self.wrong_by);
        self.open();
    }

    fn step(&mut self) {
        match self.rng.below(20) {
            0 => self.leap(),
            1 => self.restart(),
            2 => self.engine().flush().unwrap(),
            3 => {
                let options = BuildOptions::new(Default::default(), "", self.bench.config.metrics.raw_ingest_action);
                let go_on = &mut |_| ControlFlow::Continue(());
                if self.engine().has_database("pi") {
                    self.engine().build_metric_files("pi", Selection::Sealed, options.unwrap(), go_on).unwrap();
                }
            }
            4..=11 => self.write(),
            12..=15 => self.tick(),
            _ => {
                let hours = 1 + self.rng.below(30) as i64;
                for _ in 0..hours {
                    self.pass(HOUR);
                    self.tick();
                }
            }
        }
    }

    fn run(mut self) -> usize {
        self.open();
        self.write();
        for _ in 0..120 {
            self.step();
            let found = crate::common::read_all(self.engine());
            crate::common::assert_same(&found, &crate::common::bench::content_of(&self.there), &self.context);
        }
        // After two days of a right clock nothing that is expired is left.
        for _ in 0..50 {
            self.pass(HOUR);
            self.tick();
        }
        for _ in 0..20 {
            self.tick();
        }
        for line in self.there.iter().filter(|_| self.action != RetentionAction::Keep) {
            let end = self.partition(line.3).end;
            assert!(end.saturating_add(self.days * DAY) > self.right, "{}: {line:?} should have expired", self.context);
        }
        check(self.engine(), &self.there, &self.context);
        self.engine.take().unwrap().close().unwrap();
        check_verify(&self.bench, &self.context);
        assert!(!files(&self.bench).iter().any(|name| name.contains("journal") || name.ends_with(".tmp")));
        if self.action == RetentionAction::Archive && !self.archived.is_empty() {
            self.restore_all();
        }
        self.removed
    }

    /// Archives and database together are everything, once.
    fn restore_all(&mut self) {
        let path = self.bench.path("pi/manifest.toml");
        let text = String::from_utf8(self.bench.file("pi/manifest.toml")).unwrap();
        self.bench.vfs.replace(&path, text.replace("\"archive\"", "\"keep\"").as_bytes()).unwrap();
        self.open();
        let buckets: Vec<String> = list(self.engine(), "pi").unwrap().into_iter().map(|a| a.bucket).collect();
        for bucket in buckets {
            restore(self.engine(), "pi", Wanted::Bucket(&bucket)).unwrap_or_else(|e| panic!("{}: {e}", self.context));
        }
        let mut all = std::mem::take(&mut self.archived);
        all.extend(self.there.iter().copied());
        all.sort_by_key(|line| line.3);
        check(self.engine(), &all, &format!("{}: restored", self.context));
        self.engine.take().unwrap().close().unwrap();
        check_verify(&self.bench, &format!("{}: restored", self.context));
    }
}

#[test]
fn only_what_is_expired_goes_and_everything_else_is_there_once() {
    let seeds = std::env::var("NANOTDB_RETENTION_SEEDS").ok().and_then(|s| s.parse().ok()).unwrap_or(40);
    let removed: usize = (0..seeds).map(|seed| World::new(seed).run()).sum();
    assert!(removed > 100, "only {removed} partitions expired in all: the test shows little");
}
