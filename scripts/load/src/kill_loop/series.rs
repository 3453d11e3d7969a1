//! What one metric must hold: the acknowledged samples, all of them, once, in order; and perhaps those in flight.

use super::answer::Row;
use std::fmt;

/// How the numbers of a series are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `7`: an int32 metric.
    Int,
    /// `7.5`: a float32 metric; exact up to 2^23 samples.
    Float,
    /// Crosses 2^31 after a thousand samples: an int32 metric that has to widen.
    Wide,
}

const WIDE_START: u64 = (1 << 31) - 1000;

impl Kind {
    /// The value that carries `number`.
    pub(super) fn write(self, number: u64) -> String {
        match self {
            Self::Int => number.to_string(),
            Self::Float => format!("{number}.5"),
            Self::Wide => (WIDE_START + number).to_string(),
        }
    }

    /// The number that a value carries; `None` when it was never written like that.
    fn read(self, value: &str) -> Option<u64> {
        match self {
            Self::Int => value.parse().ok(),
            Self::Float => value.strip_suffix(".5")?.parse().ok(),
            Self::Wide => value.parse::<u64>().ok()?.checked_sub(WIDE_START),
        }
    }
}

/// A sample that was sent: its time, and its running number in the series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sent {
    /// Unix nanoseconds.
    pub(super) time: i64,
    /// Counts from zero; the value carries it.
    pub(super) number: u64,
}

/// How a store broke its promise.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Violation {
    /// Acknowledged, and not there.
    Lost(Sent),
    /// There twice.
    Twice(Sent),
    /// There, and never sent, or sent and found missing before.
    NeverSent { time: i64, value: String },
    /// There, but not in the order in which it was sent.
    OutOfOrder(Sent),
}

impl fmt::Display for Violation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost(sent) => write!(out, "acknowledged sample {} at {} is lost", sent.number, sent.time),
            Self::Twice(sent) => write!(out, "sample {} at {} is there twice", sent.number, sent.time),
            Self::NeverSent { time, value } => write!(out, "value '{value}' at {time} was never sent"),
            Self::OutOfOrder(sent) => write!(out, "sample {} at {} is out of order", sent.number, sent.time),
        }
    }
}

/// One metric, written by one thread.
#[derive(Debug)]
pub(super) struct Series {
    /// `database/metric`.
    pub(super) name: String,
    kind: Kind,
    /// How far its times lie behind the writer's clock: keeps yesterday's partition open after midnight.
    lag: i64,
    acknowledged: Vec<Sent>,
    in_flight: Vec<Sent>,
    last_time: i64,
    next_number: u64,
}

impl Series {
    /// A series that nothing was sent to.
    pub(super) fn new(name: String, kind: Kind, lag: i64) -> Self {
        Self { name, kind, lag, acknowledged: Vec::new(), in_flight: Vec::new(), last_time: 0, next_number: 0 }
    }

    /// The next line of a request, for a writer whose clock shows `now`. Its sample is in flight until the
    /// request is settled.
    pub(super) fn next_line(&mut self, now: i64) -> String {
        let time = self.last_time.max(now - self.lag);
        let sent = Sent { time, number: self.next_number };
        self.last_time = time;
        self.next_number += 1;
        self.in_flight.push(sent);
        format!("{} {} {time}\n", self.name, self.kind.write(sent.number))
    }

    /// A line that lies before the newest acknowledged sample, to be rejected.
    pub(super) fn stale_line(&self) -> Option<String> {
        let newest = self.acknowledged.last()?;
        let before = newest.time - 1;
        // A number so high that it is recognised as never sent.
        Some(format!("{} {} {before}\n", self.name, self.kind.write(8_000_000)))
    }

    /// The request was acknowledged.
    pub(super) fn acknowledge(&mut self) {
        self.acknowledged.append(&mut self.in_flight);
    }

    /// How many samples were acknowledged or seen after a recovery.
    pub(super) fn len(&self) -> usize {
        self.acknowledged.len()
    }

    /// The newest of them, as a query shows it.
    pub(super) fn newest(&self) -> Option<(i64, String)> {
        self.acknowledged.last().map(|sent| (sent.time, self.kind.write(sent.number)))
    }

    /// Checks what a restarted server shows. What was in flight is settled by it: samples that are there have to
    /// stay, the others must never appear.
    pub(super) fn settle(&mut self, rows: &[Row<'_>]) -> Result<(), Violation> {
        let mut found = Vec::with_capacity(rows.len());
        let mut candidates = self.acknowledged.iter().chain(&self.in_flight).copied().enumerate();
        let promised = self.acknowledged.len();
        for &(time, value) in rows {
            let number = self.kind.read(value);
            loop {
                match candidates.next() {
                    Some((_, sent)) if sent.time == time && Some(sent.number) == number => {
                        found.push(sent);
                        break;
                    }
                    Some((index, sent)) if index < promised => return Err(self.explain(rows, &found, sent)),
                    Some(_) => {}
                    None => return Err(self.explain_surplus(&found, time, value)),
                }
            }
        }
        if let Some((index, sent)) = candidates.next()
            && index < promised
        {
            return Err(Violation::Lost(sent));
        }
        self.acknowledged = found;
        self.in_flight.clear();
        Ok(())
    }

    /// Names the fault at the first row that is not `expected`, which was promised.
    fn explain(&self, rows: &[Row<'_>], found: &[Sent], expected: Sent) -> Violation {
        let matches =
            |&(time, value): &Row<'_>| time == expected.time && self.kind.read(value) == Some(expected.number);
        let Some(&(time, value)) = rows.get(found.len()) else { return Violation::Lost(expected) };
        match self.explain_surplus(found, time, value) {
            Violation::OutOfOrder(_) if !rows.iter().any(matches) => Violation::Lost(expected),
            other => other,
        }
    }

    /// Names the fault of a row that nothing more was expected for.
    fn explain_surplus(&self, found: &[Sent], time: i64, value: &str) -> Violation {
        let is_row = |sent: &&Sent| sent.time == time && self.kind.read(value) == Some(sent.number);
        if let Some(&sent) = found.iter().find(is_row) {
            return Violation::Twice(sent);
        }
        match self.acknowledged.iter().chain(&self.in_flight).find(is_row) {
            Some(&sent) => Violation::OutOfOrder(sent),
            None => Violation::NeverSent { time, value: value.to_owned() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three acknowledged samples (numbers 0 to 2 at 10, 20, 20) and two in flight (3 and 4 at 30, 40).
    fn series() -> Series {
        let mut series = Series::new("d/m".into(), Kind::Int, 0);
        for now in [10, 20, 20] {
            series.next_line(now);
        }
        series.acknowledge();
        for now in [30, 40] {
            series.next_line(now);
        }
        series
    }

    const KEPT: [Row<'static>; 3] = [(10, "0"), (20, "1"), (20, "2")];

    fn with(more: &[Row<'static>]) -> Vec<Row<'static>> {
        KEPT.iter().chain(more).copied().collect()
    }

    #[test]
    fn samples_in_flight_may_be_there_or_not() {
        for more in [&[][..], &[(30, "3")], &[(40, "4")], &[(30, "3"), (40, "4")]] {
            assert_eq!(series().settle(&with(more)), Ok(()), "{more:?}");
        }
    }

    #[test]
    fn what_was_seen_once_has_to_stay_and_what_was_not_must_not_come_back() {
        let mut one = series();
        assert_eq!(one.settle(&with(&[(40, "4")])), Ok(()));
        assert_eq!(one.newest(), Some((40, "4".into())));
        assert_eq!(one.settle(&KEPT), Err(Violation::Lost(Sent { time: 40, number: 4 })));
        let both = with(&[(30, "3"), (40, "4")]);
        assert_eq!(one.settle(&both), Err(Violation::NeverSent { time: 30, value: "3".into() }));
    }

    #[test]
    fn lost_samples_are_found_wherever_they_were() {
        for missing in 0..3 {
            let mut rows = with(&[(30, "3")]);
            let (time, value) = rows.remove(missing);
            let lost = Sent { time, number: value.parse().unwrap() };
            assert_eq!(series().settle(&rows), Err(Violation::Lost(lost)));
        }
        assert_eq!(series().settle(&[]), Err(Violation::Lost(Sent { time: 10, number: 0 })));
    }

    #[test]
    fn duplicates_strangers_and_disorder_are_named() {
        let twice = [(10, "0"), (10, "0"), (20, "1"), (20, "2")];
        assert_eq!(series().settle(&twice), Err(Violation::Twice(Sent { time: 10, number: 0 })));
        let twice = with(&[(30, "3"), (30, "3")]);
        assert_eq!(series().settle(&twice), Err(Violation::Twice(Sent { time: 30, number: 3 })));
        let swapped = [(10, "0"), (20, "2"), (20, "1")];
        assert_eq!(series().settle(&swapped), Err(Violation::OutOfOrder(Sent { time: 20, number: 2 })));
        let wrong_value = [(10, "0"), (20, "9"), (20, "2")];
        let never_sent = Violation::NeverSent { time: 20, value: "9".into() };
        assert_eq!(series().settle(&wrong_value), Err(never_sent));
        let wrong_time = with(&[(31, "3")]);
        assert_eq!(series().settle(&wrong_time), Err(Violation::NeverSent { time: 31, value: "3".into() }));
    }

    #[test]
    fn values_carry_their_number() {
        for kind in [Kind::Int, Kind::Float, Kind::Wide] {
            for number in [0, 7, 999, 1000, 1001, 4_000_000] {
                assert_eq!(kind.read(&kind.write(number)), Some(number));
            }
        }
        assert_eq!(Kind::Wide.write(1000), "2147483648");
        assert_eq!(Kind::Float.read("7"), None);
    }

    #[test]
    fn times_lag_and_never_go_back() {
        let mut series = Series::new("d/m".into(), Kind::Float, 5);
        assert_eq!(series.next_line(100), "d/m 0.5 95\n");
        assert_eq!(series.next_line(90), "d/m 1.5 95\n");
        assert_eq!(series.stale_line(), None);
        series.acknowledge();
        assert_eq!(series.stale_line().unwrap(), "d/m 8000000.5 94\n");
    }
}
