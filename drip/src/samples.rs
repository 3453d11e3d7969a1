//! What a collector gathered in one cycle, kept as line protocol in a buffer that is reused.

use std::collections::HashSet;
use std::fmt::{self, Display, Write};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

/// Where collectors put their samples. All samples of a cycle have the cycle's timestamp.
///
/// Names are anything that can be displayed, so that composed names cost no allocation:
///
/// ```
/// # let mut out = drip::collector::Samples::for_test();
/// use drip::collector::Part;
/// out.integer("sys.uptime_sec", 361_234);
/// out.float(format_args!("disk.{}.busy_pct", Part("mmcblk0")), 12.345, 2);
/// assert_eq!(out.text(), "sys.uptime_sec 361234\ndisk.mmcblk0.busy_pct 12.35\n");
/// ```
#[derive(Debug, Default)]
pub struct Samples {
    text: String,
    /// What stands before each name (`database/`) and after each value (a space and the timestamp).
    prefix: String,
    suffix: String,
    count: u64,
    /// How many names there may be, and those that there were; `None` for any number.
    series: Option<Series>,
    /// Samples of this cycle that are not in it because their names are more than there may be.
    left_out: u64,
    problems: Vec<Problem>,
    /// Notes about metrics that this host does not have; kept for `--check` only.
    absent: Option<Vec<(String, String)>>,
}

/// Names that were sent, as checksums: those that were there first stay.
#[derive(Debug)]
struct Series {
    most: usize,
    known: HashSet<u64>,
}

/// Something that should have worked and did not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// What it is about, the same in every cycle: a sensor, a device, a file.
    pub(crate) about: String,
    pub(crate) reason: String,
}

impl Samples {
    /// An empty buffer whose lines are `name value`, without database and time, for tests of collectors.
    pub fn for_test() -> Self {
        Self::default()
    }

    /// Forgets everything and begins a cycle.
    pub(crate) fn begin(&mut self, database: &str, timestamp_ns: i64) {
        self.begin_for_test();
        // Writing to a String cannot fail.
        let _ = write!(self.prefix, "{database}/");
        let _ = write!(self.suffix, " {timestamp_ns}");
    }

    /// As [`Self::begin`], for lines without database and time.
    pub(crate) fn begin_for_test(&mut self) {
        self.text.clear();
        self.prefix.clear();
        self.suffix.clear();
        self.problems.clear();
        self.count = 0;
        self.left_out = 0;
        if let Some(absent) = &mut self.absent {
            absent.clear();
        }
    }

    /// From here on, no more than so many different names are taken.
    pub(crate) fn bound_series(&mut self, most: usize) {
        self.series = Some(Series { most, known: HashSet::new() });
    }

    /// How many samples of this cycle were left out for that.
    pub(crate) fn left_out(&self) -> u64 {
        self.left_out
    }

    /// From here on, notes about what this host does not have are kept.
    pub(crate) fn keep_absent(&mut self) {
        self.absent = Some(Vec::new());
    }

    /// A whole number. Its metric becomes one of integers; the server widens it when the values outgrow 32 bits.
    /// A value beyond `i64::MAX` is left out, because the server has no type for it.
    pub fn integer(&mut self, name: impl Display, value: u64) {
        if i64::try_from(value).is_ok() {
            self.line(name, format_args!("{value}"));
        }
    }

    /// As [`Self::integer`], for values that may be below zero.
    pub fn signed(&mut self, name: impl Display, value: i64) {
        self.line(name, format_args!("{value}"));
    }

    /// A number with so many decimals (at least one, so that its metric is one of floats). What is not finite is left
    /// out: the server takes neither NaN nor infinity.
    pub fn float(&mut self, name: impl Display, value: f64, decimals: usize) {
        if value.is_finite() {
            // Adding zero makes `0.0` of `-0.0`.
            self.line(name, format_args!("{:.*}", decimals.max(1), value + 0.0));
        }
    }

    fn line(&mut self, name: impl Display, value: fmt::Arguments<'_>) {
        self.text.push_str(&self.prefix);
        let start = self.text.len();
        let _ = write!(self.text, "{name}");
        // A name with a space or a line break in it would be another line. No name of ours has one.
        if self.text.get(start..).is_none_or(|name| name.is_empty() || name.contains(char::is_whitespace)) {
            let name = self.text.get(start..).unwrap_or_default().to_owned();
            self.text.truncate(start - self.prefix.len());
            return self.problem(format_args!("metric {name:?}"), "a name must not be empty or have white space in it");
        }
        let is_one_of_few =
            self.text.get(start..).is_none_or(|name| self.series.as_mut().is_none_or(|s| s.takes(name)));
        if !is_one_of_few {
            self.text.truncate(start - self.prefix.len());
            self.left_out += 1;
            return;
        }
        let _ = writeln!(self.text, " {value}{}", self.suffix);
        self.count += 1;
    }

    /// Reports something that should have worked: a sensor that cannot be read, a device that went away. It is counted,
    /// and logged when it begins and when it ends, not in every cycle. `about` names the thing and must not change
    /// from cycle to cycle.
    pub fn problem(&mut self, about: impl Display, reason: impl Display) {
        self.problems.push(Problem { about: about.to_string(), reason: reason.to_string() });
    }

    /// Notes that this host does not have something, for `drip --check`. No error.
    pub fn absent(&mut self, about: impl Display, reason: impl Display) {
        if let Some(absent) = &mut self.absent {
            absent.push((about.to_string(), reason.to_string()));
        }
    }

    /// The lines so far.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// How many samples there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    pub(crate) fn problems(&self) -> &[Problem] {
        &self.problems
    }

    pub(crate) fn absent_notes(&self) -> &[(String, String)] {
        self.absent.as_deref().unwrap_or_default()
    }
}

impl Series {
    fn takes(&mut self, name: &str) -> bool {
        let checksum = BuildHasherDefault::<DefaultHasher>::default().hash_one(name);
        self.known.contains(&checksum) || (self.known.len() < self.most && self.known.insert(checksum))
    }
}

/// One part of a dotted name, from a device, interface or mount: everything but letters, digits, `_` and `-` is shown
/// as `_`, so that `eth0.100` stays one part.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a>(pub &'a str);

impl Display for Part<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .chars()
            .try_for_each(|c| f.write_char(if c.is_ascii_alphanumeric() || matches!(c, '_' | '-') { c } else { '_' }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_database_name_value_and_time() {
        let mut out = Samples::default();
        out.begin("pi", 7);
        out.integer("mem.total", 3_884_316);
        out.signed("temp.out.mdeg", -1_250);
        out.float("sys.load1", 0.0, 2);
        out.float("a", -0.0, 1);
        assert_eq!(out.text(), "pi/mem.total 3884316 7\npi/temp.out.mdeg -1250 7\npi/sys.load1 0.00 7\npi/a 0.0 7\n");
        assert_eq!(out.count(), 4);
        out.begin("b", 8);
        assert_eq!((out.text(), out.count()), ("", 0));
    }

    #[test]
    fn names_beyond_the_bound_are_left_out_and_the_first_ones_stay() {
        let mut out = Samples::default();
        out.bound_series(2);
        for cycle in 0..3 {
            out.begin("pi", cycle);
            // In another order, and with one that comes later.
            let names = [["a", "b", "c"], ["c", "b", "a"], ["d", "a", "b"]];
            names[cycle as usize].iter().for_each(|name| out.integer(name, 1));
            assert!(out.text().contains("pi/a 1") && out.text().contains("pi/b 1"), "{}", out.text());
            assert_eq!((out.count(), out.left_out()), (2, 1));
        }
    }

    #[test]
    fn what_the_server_cannot_take_is_left_out() {
        let mut out = Samples::default();
        out.begin("pi", 7);
        out.float("x", f64::NAN, 2);
        out.float("x", f64::INFINITY, 2);
        out.integer("x", u64::MAX);
        assert_eq!((out.text(), out.count()), ("", 0));
        out.integer("two words", 1);
        out.integer("", 1);
        assert_eq!((out.text(), out.problems().len()), ("", 2));
        out.integer(format_args!("net.{}.rx", Part("eth0.1 \n/ä")), 1);
        assert_eq!(out.text(), "pi/net.eth0_1____.rx 1 7\n");
    }
}
