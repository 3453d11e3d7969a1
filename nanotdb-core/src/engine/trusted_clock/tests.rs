use super::*;
use crate::storage::vfs::sim::SimVfs;

const MINUTE: i64 = 60_000_000_000;
const DAY: i64 = 24 * HOUR;
/// 2026-05-22T23:59:00Z.
const START: i64 = 1_779_494_340_000_000_000;
/// 2099-01-01.
const FUTURE: i64 = 4_070_908_800_000_000_000;

/// A box: what time it is, what its wall clock shows, how long the process runs.
struct Machine {
    vfs: SimVfs,
    clock: TrustedClock,
    right: i64,
    wrong_by: i64,
    monotonic: i64,
}

impl Machine {
    fn new() -> Self {
        let vfs = SimVfs::new(1);
        vfs.create_dir_all(Path::new("/root")).unwrap();
        let clock = TrustedClock::load(&vfs, Path::new("/root"));
        let mut this = Self { vfs, clock, right: START, wrong_by: 0, monotonic: 0 };
        this.look();
        this
    }

    fn look(&mut self) {
        self.clock.observe(self.right + self.wrong_by, Duration::from_nanos(self.monotonic as u64));
    }

    /// Runs for so long, looking at the clock every ten minutes.
    fn run(&mut self, nanos: i64) {
        let steps = nanos / (10 * MINUTE);
        for _ in 0..steps {
            self.right += 10 * MINUTE;
            self.monotonic += 10 * MINUTE;
            self.look();
            // What expires must have expired by a right clock.
            if let Some(now) = self.clock.now() {
                assert!(now <= self.right, "ahead by {} h", (now - self.right) / HOUR);
            }
        }
    }

    fn off(&mut self, nanos: i64) {
        let (path, text) = self.clock.take_to_save().unwrap();
        self.vfs.replace(&path, text.as_bytes()).unwrap();
        self.clock = TrustedClock::load(&self.vfs, Path::new("/root"));
        self.right += nanos;
        self.monotonic = 7 * HOUR;
        self.look();
    }

    fn lag(&self) -> i64 {
        self.right - self.clock.now().unwrap()
    }
}

#[test]
fn a_new_root_believes_its_clock_after_a_day_of_uptime() {
    let mut machine = Machine::new();
    machine.run(24 * HOUR - 10 * MINUTE);
    assert_eq!(machine.clock.now(), None);
    machine.run(10 * MINUTE);
    assert_eq!(machine.clock.now(), Some(machine.right));
    machine.run(30 * DAY);
    assert_eq!(machine.lag(), 0);
}

#[test]
fn a_leap_that_ends_within_a_day_is_never_believed() {
    for hours in [1, 5, 23] {
        let mut machine = Machine::new();
        machine.run(2 * DAY);
        machine.wrong_by = FUTURE - machine.right;
        machine.run(hours * HOUR);
        assert_eq!(machine.lag(), 0, "time goes on from what was believed");
        machine.wrong_by = -1;
        machine.run(3 * HOUR);
        machine.wrong_by = FUTURE - machine.right;
        machine.run(23 * HOUR);
        machine.wrong_by = 0;
        machine.run(2 * DAY);
        assert_eq!(machine.lag(), 0);
    }
}

#[test]
fn a_leap_over_a_restart_is_not_believed_either() {
    let mut machine = Machine::new();
    machine.run(2 * DAY);
    machine.wrong_by = FUTURE - machine.right;
    machine.off(HOUR);
    machine.run(5 * HOUR);
    machine.off(HOUR);
    machine.run(5 * HOUR);
    machine.wrong_by = 0;
    machine.off(HOUR);
    machine.run(30 * HOUR);
    assert_eq!(machine.lag(), 0);
}

#[test]
fn a_box_that_was_off_for_two_years_comes_to_believe_it() {
    let mut machine = Machine::new();
    machine.run(2 * DAY);
    machine.off(730 * DAY);
    machine.run(23 * HOUR);
    assert_eq!(machine.lag(), 730 * DAY);
    machine.run(HOUR);
    assert_eq!(machine.lag(), 0);
}

#[test]
fn a_box_that_runs_some_hours_a_day_lags_by_some_days_and_no_more() {
    let mut machine = Machine::new();
    for day in 0..400 {
        // Without a battery the clock starts in 1970 until the network is there.
        machine.wrong_by = -machine.right;
        machine.look();
        machine.run(10 * MINUTE);
        machine.wrong_by = 0;
        machine.run(8 * HOUR);
        if day > 10 {
            assert!((0..=4 * DAY).contains(&machine.lag()), "day {day}: {} h", machine.lag() / HOUR);
        }
        machine.off(16 * HOUR - 10 * MINUTE);
    }
}

#[test]
fn a_clock_that_is_set_back_counts_at_once_and_is_believed_after_a_day() {
    let mut machine = Machine::new();
    // Ten years ahead from the start: that is believed for want of better.
    machine.right += 3_650 * DAY;
    machine.look();
    machine.run(2 * DAY);
    let wrong = machine.right;
    assert_eq!(machine.clock.now(), Some(wrong));
    machine.right = START;
    machine.look();
    assert_eq!(machine.clock.now(), Some(START));
    machine.run(25 * HOUR);
    assert_eq!(machine.lag(), 0);
    // Ahead again: not believed as it was.
    machine.wrong_by = 3_650 * DAY;
    machine.run(5 * HOUR);
    assert_eq!(machine.lag(), 0);
}

#[test]
fn small_steps_and_drift_change_nothing() {
    let mut machine = Machine::new();
    machine.run(2 * DAY);
    for step in 0..2_000 {
        machine.wrong_by = [-1_000_000, 0, 3_000_000, -MINUTE][step % 4];
        machine.right += HOUR;
        machine.monotonic += HOUR;
        machine.look();
        assert!((0..=2 * MINUTE).contains(&machine.lag()), "{}", machine.lag());
    }
}

#[test]
fn a_file_that_cannot_be_read_means_waiting_for_a_day() {
    let mut machine = Machine::new();
    machine.run(2 * DAY);
    machine.off(0);
    assert!(machine.clock.now().is_some());
    for content in ["", "uptime = \"x\"", "\u{0}\u{0}", "uptime = 9223372036854775807\nbelieved = 9223372036854775807"]
    {
        machine.vfs.replace(Path::new("/root/.clock"), content.as_bytes()).unwrap();
        let mut clock = TrustedClock::load(&machine.vfs, Path::new("/root"));
        clock.observe(START, Duration::ZERO);
        clock.observe(START + DAY, Duration::from_nanos((DAY - MINUTE) as u64));
        assert_eq!(clock.now(), None, "{content:?}");
    }
}

/// A clock that shows the past and the future by turns is none that was set back: neither is believed.
#[test]
fn a_clock_that_is_behind_and_ahead_by_turns_is_never_believed() {
    let mut machine = Machine::new();
    machine.run(2 * DAY);
    let believed = machine.clock.state.believed;
    for _ in 0..2 * 24 * 6 {
        machine.wrong_by = if machine.wrong_by == -2 * HOUR { FUTURE - machine.right } else { -2 * HOUR };
        machine.run(10 * MINUTE);
        assert_eq!(machine.clock.state.believed, believed);
    }
    machine.wrong_by = 0;
    machine.run(HOUR);
    assert_eq!(machine.lag(), 0);
}
